"""How recent readings come into HBase, beside the landing and without its being held up."""
