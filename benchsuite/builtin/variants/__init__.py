"""Other images of ImageNet's classes; these sets are made with what ``benchsuite`` exports, as a plugin's are."""
