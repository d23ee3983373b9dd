"""Patch samplers: which voxels a `Segmenter` learns from. `table.PATCH_SAMPLERS` lists them."""
