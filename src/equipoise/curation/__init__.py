"""Select synthetic images before anything is trained on them."""
