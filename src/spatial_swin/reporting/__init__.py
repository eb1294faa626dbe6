"""Run folders in, figures and reports out; imports no model code."""
