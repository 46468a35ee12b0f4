"""The knowledge graph: what it holds, where it is stored, how it is built, and how candidates are found in it."""
