"""The EHR records the rooms work on, and who may see them."""
