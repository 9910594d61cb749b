"""Sequential models of objects: what one operation after another must return."""
