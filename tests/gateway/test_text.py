"""The character model, and chats with the official client."""

import json

import numpy as np
import pytest

from edgewright.gateway.backends.ngrams import (
    ALPHABET,
    SIZE,
    Characters,
    counts_of,
    encoded,
    shipped_counts,
    write_text,
)

TEXT = {
    "name": "writer", "kind": "text", "location": 0, "candidates": [1, 2, 4], "step_ms": 5.0,
    "speed": 0.5,
}  # fmt: skip


def test_probabilities_mix_the_orders_by_witten_and_bell():
    model = Characters(counts_of("abab"))
    # after nothing: a and b twice each, two kinds of four: 2 / 6 each, and 2 / 6 for all alike
    alone = model.probabilities(encoded(""))
    assert alone.sum() == pytest.approx(1.0)
    assert alone[ALPHABET.index("a")] == pytest.approx(2 / 6 + 2 / 6 / SIZE)
    # after a: b twice, one kind of two: 2 / 3, and a third of what the shorter context says
    after = model.probabilities(encoded("a"))
    assert after[ALPHABET.index("b")] == pytest.approx(2 / 3 + alone[ALPHABET.index("b")] / 3)
    unknown = model.probabilities(encoded("z"))
    assert unknown.tolist() == alone.tolist()


def test_a_sample_is_the_same_for_a_seed_and_likelier_where_the_text_was_known():
    model = Characters()
    first, score = model.sample("The gateway ", 80, 5)
    assert (first, score) == model.sample("The gateway ", 80, 5)
    assert first != model.sample("The gateway ", 80, 6)[0]
    assert len(first) == 80
    assert -2.5 < score < 0.0  # nats for each character; uniform would be -ln 96 = -4.6


def test_more_candidates_are_likelier():
    model = Characters()
    scores = np.array(
        [[model.sample("Text ", 60, 100 * n + k)[1] for k in range(4)] for n in range(6)]
    )
    assert scores.max(axis=1).mean() > scores[:, 0].mean()


def test_a_model_is_written_and_read_again(tmp_path, edgewright):
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "one.md").write_text("abab é")
    out = tmp_path / "text.npz"
    said = edgewright(
        "generator", "train-text", "--text", tmp_path / "texts", "--out", out, "--json"
    )
    assert json.loads(said.stdout)["characters"] == 6
    counts = shipped_counts(out)
    assert {name: list(value) for name, value in counts.items()} == {
        name: list(value) for name, value in counts_of("abab  ").items()
    }
    assert write_text(tmp_path / "again.npz", "abab é") == 6
    (tmp_path / "empty").mkdir()
    error = edgewright(
        "generator", "train-text", "--text", tmp_path / "empty", "--out", out, code=2
    ).stderr
    assert "must hold .md or .txt files" in error


def test_the_client_chats_whole_and_streamed(gateway):
    with gateway(backend=[TEXT]) as service:
        client = service.client()
        asked = {"model": "any", "messages": [{"role": "user", "content": "What is a bundle?"}]}
        answer = client.chat.completions.create(**asked, max_completion_tokens=50)
        (choice,) = answer.choices
        assert len(choice.message.content) == 50
        assert answer.usage.completion_tokens == 50
        assert answer.model == "writer"
        assert answer.edgewright["paced"] is True
        low, high = (
            client.chat.completions.create(**asked, reasoning_effort=effort)
            for effort in ("low", "high")
        )
        assert (low.edgewright["level"], high.edgewright["level"]) == (0, 2)
        options = {"include_usage": True}
        chunks = list(
            client.chat.completions.create(
                **asked, reasoning_effort="low", stream=True, stream_options=options
            )
        )
        text = "".join(one.choices[0].delta.content or "" for one in chunks if one.choices)
        assert text == low.choices[0].message.content
        assert chunks[-1].usage.completion_tokens == len(text) == 200
        receipt = service.receipts()[1]
        assert receipt["lateness"] >= 0.9999  # rounded to four digits; never before its pace
        content = {"messages": asked["messages"], "max_tokens": 0}
        status, _, body = service.send("/v1/chat/completions", content)
        assert status == 400
        assert "max_tokens must be a whole number from 1" in body["error"]["message"]
        status, _, _ = service.image()
        assert status == 404  # nothing here makes images


def test_levels_of_candidates_must_grow(edgewright, write_config, tmp_path):
    file = write_config(tmp_path, backend=[{**TEXT, "candidates": [4, 2, 8]}])
    error = edgewright("gateway", "--config", file, code=2).stderr
    assert "backend[0].candidates: must grow from level to level; got [4, 2, 8]" in error
