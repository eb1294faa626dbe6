"""A Space's main file: the page of `spatial-swin app`, for the model that SPATIAL_SWIN_MODEL names.

The variable holds a model's id on the Hub (me/spatial) or a folder with one. `python app.py` serves the same page at
home. In a Space, set the variable in its settings; a private model also needs the secret HF_TOKEN.
"""

from spatial_swin.app.serving import page_of_environment, serve_space

page = page_of_environment()
demo = page.blocks

if __name__ == "__main__":
    serve_space(page)
