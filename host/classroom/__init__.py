"""`workshop class`: many daemons' instructor feeds on one wall. A reader; no daemon knows of it."""
