"""Questions of SQuAD v1.1, from its files or from rows, checked."""

import numbers

from experiment.process import UsageError


def questions_of_document(document, path):
    """Return the questions of a file of SQuAD v1.1.

    Args:
        document: the JSON document of the file.
        path: path of the file, for messages.

    Returns:
        List of dicts of `id`, `context`, `question`, `answers` (a list of strings) and
        `answer_start`, where the first answer begins in the context.

    Raises:
        UsageError: if the file has another format, or an answer is not where it is said
            to be; names the file and the question.
    """
    if str(_field(document, "version")).startswith("v2") or _has_impossible(document):
        raise UsageError(
            f"{path} is of SQuAD 2.0, some of whose questions have no answer. Give the "
            "files of SQuAD v1.1, train-v1.1.json and dev-v1.1.json."
        )
    questions = []
    try:
        for article in document["data"]:
            for paragraph in article["paragraphs"]:
                for question in paragraph["qas"]:
                    questions.append(
                        _checked(
                            question["id"],
                            paragraph["context"],
                            question["question"],
                            [answer["text"] for answer in question["answers"]],
                            [answer["answer_start"] for answer in question["answers"]],
                            path,
                        )
                    )
    except (KeyError, TypeError, IndexError) as error:
        raise UsageError(
            f"{path} is not in the format of SQuAD v1.1 (data, paragraphs, qas, "
            f"answers): {type(error).__name__} {error}."
        ) from error
    return questions


def questions_of_rows(rows, name):
    """Return the questions of rows of tensorflow-datasets.

    Args:
        rows: list of dicts of `id`, `context`, `question` and `answers`.
        name: str, of the data set, for messages.

    Returns:
        List of dicts, and errors: see `questions_of_document`.
    """
    questions = []
    for number, row in enumerate(rows):
        try:
            answers = list(row["answers"]["text"])
            starts = list(row["answers"]["answer_start"])
            parts = row["id"], row["context"], row["question"]
        except (KeyError, TypeError, ValueError) as error:
            raise UsageError(
                f"{name}, example {number}, is not in the format of SQuAD v1.1 (id, "
                f"context, question, answers): {type(error).__name__} {error}. Give "
                "another data set."
            ) from error
        questions.append(_checked(*parts, answers, starts, name))
    return questions


def _checked(identifier, context, question, answers, starts, source):
    """Return one question as a dict, once all in it is what it must be."""
    where = f"{source}, question {identifier!r:.80}"
    for name, text in (
        ("id", identifier),
        ("context", context),
        ("question", question),
    ):
        if not isinstance(text, str):
            raise UsageError(
                f"{where}: `{name}` must be a string. Received: {text!r:.80}. Correct "
                "the question, or remove it."
            )
    _check_answers(context, answers, starts, where)
    return {
        "id": identifier,
        "context": context,
        "question": question,
        "answers": answers,
        "answer_start": int(starts[0]),
    }


def _check_answers(context, answers, starts, where):
    """Raise ValueError unless every answer stands in the context where it is said."""
    if not answers or len(answers) != len(starts):
        raise UsageError(
            f"{where} has no answer, or no place of one. Every question of SQuAD v1.1 "
            "has one: correct the question, or remove it."
        )
    for answer, start in zip(answers, starts, strict=True):
        is_integer = isinstance(start, numbers.Integral) and not isinstance(start, bool)
        is_place = is_integer and start >= 0
        if not isinstance(answer, str) or not is_place:
            raise UsageError(
                f"{where}: an answer must be a string with an `answer_start`, an "
                f"integer from 0. Received: {answer!r:.80} at {start!r:.80}. Correct "
                "the question, or remove it."
            )
        there = context[start : start + len(answer)]
        if not answer.strip() or there != answer:
            raise UsageError(
                f"{where}: the answer {answer!r:.80} must be in the context at "
                f"`answer_start` {start}, where it has {there!r:.80}. Correct the "
                "question, or remove it."
            )


def _has_impossible(document):
    """Return whether any question has the mark that SQuAD 2.0 puts on each."""
    for article in _list(document, "data"):
        for paragraph in _list(article, "paragraphs"):
            for question in _list(paragraph, "qas"):
                if _field(question, "is_impossible") is not None:
                    return True
    return False


def _list(value, name):
    items = _field(value, name)
    return items if isinstance(items, list) else []


def _field(value, name):
    return value.get(name) if isinstance(value, dict) else None
