"""Encoder-decoders: modules of torch, their loss, and the search for what they write."""
