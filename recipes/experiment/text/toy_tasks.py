"""Small labelled tasks made from templates: no download, for trying the recipes.

They are toys: every sentence follows a pattern, and a model should learn them in a
minute. What the recipes are for are the real data sets.
"""

import random

PEOPLE = "Ada Ben Cleo Dan Eva Finn Gus Hana Ida Jon Kim Leo Mia Ned Ola Pia".split()
THINGS = "lamp book coat drum fork kite map ring shoe vase bell cup hat key pen".split()
COLOURS = "red blue green white black yellow brown grey".split()
PLACES = "kitchen garden attic hall office cellar garage library".split()
GOOD = "warm funny moving clever gripping charming honest brilliant".split()
BAD = "dull clumsy boring silly tired shallow noisy pointless".split()
PARTS = "plot music cast ending dialogue camera humour story".split()


def reviews(num_examples, seed):
    """Reviews; label 1 when the last opinion, after "but", is good, 0 when bad."""
    draw = random.Random(seed)
    examples = []
    for number in range(num_examples):
        label = draw.randrange(2)
        last, first = (GOOD, BAD) if label else (BAD, GOOD)
        one, two = draw.sample(PARTS, 2)
        text = (
            f"{draw.choice(PEOPLE)} found the {one} {draw.choice(first)} at first, but "
            f"in the end the {two} was {draw.choice(last)}."
        )
        examples.append({"id": f"review-{number}", "text": text, "label": label})
    return examples


def pairs(num_examples, seed):
    """Premises and hypotheses: entailment, neutral or contradiction."""
    draw = random.Random(seed)
    examples = []
    for number in range(num_examples):
        person, thing, place = (draw.choice(x) for x in (PEOPLE, THINGS, PLACES))
        colour, other_place = draw.choice(COLOURS), draw.choice(PLACES)
        while other_place == place:
            other_place = draw.choice(PLACES)
        premise = f"{person} put the {colour} {thing} in the {place}."
        label = draw.choice(("entailment", "neutral", "contradiction"))
        hypothesis = {
            "entailment": f"The {thing} is in the {place}.",
            "neutral": f"{person} likes the {thing}.",
            "contradiction": f"The {thing} is in the {other_place}.",
        }[label]
        examples.append(
            {
                "id": f"pair-{number}",
                "premise": premise,
                "hypothesis": hypothesis,
                "label": label,
            }
        )
    return examples


def questions(num_examples, seed):
    """Questions on paragraphs of four facts, the answer a word of one of them."""
    draw = random.Random(seed)
    examples = []
    for number in range(num_examples):
        things, places = draw.sample(THINGS, 4), draw.sample(PLACES, 4)
        facts = [
            f"{draw.choice(PEOPLE)} put the {draw.choice(COLOURS)} {thing} in the "
            f"{place}."
            for thing, place in zip(things, places, strict=True)
        ]
        context = " ".join(facts)
        asked = draw.randrange(4)
        examples.append(
            {
                "id": f"question-{number}",
                "context": context,
                "question": f"Where is the {things[asked]}?",
                "answers": [places[asked]],
                "answer_start": context.index(f" {places[asked]}.") + 1,
            }
        )
    return examples
