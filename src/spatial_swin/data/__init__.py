"""Folder to splits: imagefolder, preflight, factors, audit, splits, augmentation."""
