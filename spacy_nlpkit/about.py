__title__ = "spacy-nlpkit"
__version__ = "0.1.0"
