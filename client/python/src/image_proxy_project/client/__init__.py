"""The import paths of image_proxy_project, whose programs go on with pixedge."""
