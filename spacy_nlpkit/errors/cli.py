"""Messages of the command line, evaluation and metrics."""


class CommandErrors:
    """What stops the work."""

    N090 = (
        "Cannot load the pipeline '{model}': {problem} Give the path of a trained pipeline (such as "
        "training/news/model-best) or the name of an installed package."
    )
    N091 = (
        "The config of '{model}' has no corpus '{corpus}'. It has: {available}. Name one with --corpus, or "
        "give the path of an existing .spacy file."
    )
    N092 = (
        "Nothing to compare: neither {data} nor the two pipelines have an entity of the labels {labels}. Name others "
        "with --labels."
    )
    N093 = (
        "The corpus '{corpus}' of '{model}' cannot be read: {problem} Set what it needs as an option, "
        "such as --paths.test corpus/test.spacy."
    )
    N094 = "There is nothing to score: '{corpus}' holds no {what}. Check the path and how the file was made."
    N095 = (
        "Every score of the component '{name}' is null: '{corpus}' has no annotation for it. Evaluate on "
        "data that has, or leave the component out of the check with --ignore {name}."
    )
    N096 = (
        "The metrics file {path} does not match the schema: {problem}. Run the command that writes it again, "
        "or remove the file."
    )
    N097 = (
        "There is no GPU {gpu_id} to run on: {problem} Use --gpu-id -1 for the CPU, or install cupy and "
        "torch for your GPU."
    )
    N098 = "Cannot compare on '{path}': {problem} Give a .spacy file, or Prodigy's JSONL of complete annotations."
    N099 = "Cannot read the option {option} '{value}': {problem}."
    N100 = (
        "The asset '{path}' has the MD5 checksum {found}, but project.yml says {expected}. Delete the file "
        "and fetch it again with `python -m weasel assets --extra`, or correct the checksum if it changed on "
        "purpose."
    )
    N101 = (
        "The package '{name}' should be the pipeline in '{model}', but installed is {found}. Build and "
        "install it again with `python -m weasel run package` and `python -m weasel run install`."
    )
    N102 = "There is no saved pipeline in '{path}'. Train one first: `python -m weasel run train`."
    N103 = "The wheel of '{source}' could not be built. The build said:\n{output}"
    N104 = "'{path}' holds no texts to annotate. Give a .spacy file with at least one document."
