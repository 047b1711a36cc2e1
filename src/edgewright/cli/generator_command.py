"""``edgewright generator``: train and measure the generator that the gateway ships with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from edgewright.cli.options import json_option, out_option, print_json, whole


@click.group(name="generator")
def command() -> None:
    """Train or measure the diffusion model of 8x8 digits."""


@command.command(name="train")
@out_option(metavar="FILE", help="Where the weights go, e.g. digits.npz.", required=True)
@click.option("--steps", default="2e4", show_default=True, help="Gradient steps.")
@click.option("--seed", default="0", show_default=True, help="Of weights, batches and noise.")
@json_option
def train(out: str, steps: str, seed: str, as_json: bool) -> None:
    """Train on the digits of scikit-learn (extra: generators)."""
    count, number = whole(steps, "--steps", 1) or 1, whole(seed, "--seed", 0, 2**32 - 1) or 0
    from edgewright.cli.terminal import counting_bar
    from edgewright.generators.digits_training import CHUNK, write
    from edgewright.generators.digits_training import train as fit

    with counting_bar("generator", -(-count // CHUNK)) as on_progress:
        weights, loss = fit(count, number, on_progress)
    facts = {"steps": count, "seed": number, "loss": loss}
    write(Path(out), weights, facts)
    if as_json:
        print_json({"file": out, **facts})
        return
    click.echo(f"{out}: {count} steps, mean squared error of the last ones {loss:.4f}")


@command.command(name="train-text")
@click.option("--text", required=True, metavar="FOLDER", help="Folder of .md or .txt files.")
@out_option(metavar="FILE", help="Where the model goes, e.g. text.npz.", required=True)
@json_option
def train_text(text: str, out: str, as_json: bool) -> None:
    """Make the character model of the back end `text` from a folder of texts."""
    from edgewright.core.errors import InputError
    from edgewright.core.text import read_text
    from edgewright.gateway.backends.ngrams import write_text

    files = [one for kind in ("md", "txt") for one in sorted(Path(text).rglob(f"*.{kind}"))]
    if not files:
        hint = "name a folder of Markdown or plain text"
        raise InputError(f"must hold .md or .txt files; got {text}", where="--text", hint=hint)
    count = write_text(Path(out), "\n".join(read_text(one) for one in files))
    if as_json:
        print_json({"file": out, "files": len(files), "characters": count})
        return
    click.echo(f"{out}: {count} characters of {len(files)} files")


@command.command(name="measure")
@click.option("--weights", metavar="FILE", help="Weights to measure; default: those shipped.")
@click.option("--steps", default="1,2,4,8,16,50", show_default=True, help="Numbers of steps.")
@json_option
def measure(weights: str | None, steps: str, as_json: bool) -> None:
    """Print quality and work of the digits for numbers of denoising steps."""
    numbers = [whole(one, "--steps", 1, 1000) or 1 for one in steps.split(",")]
    from edgewright.gateway.backends.digits import WEIGHTS, shipped_weights
    from edgewright.generators import measurement

    rows: list[dict[str, Any]] = measurement.measure(
        shipped_weights(Path(weights) if weights else WEIGHTS), numbers
    )
    if as_json:
        print_json({"rows": rows})
        return
    click.echo(f"{'steps':>6}{'Fréchet distance':>18}{'PSNR (dB)':>12}{'CPU ms a sheet':>16}")
    for row in rows:
        click.echo(
            f"{row['steps']:>6}{row['frechet_distance']:>18.3f}{row['psnr_db']:>12.2f}"
            f"{row['cpu_ms']:>16.1f}"
        )


@command.command(name="measure-render")
@click.option("--samples", default="1,4,16,64", show_default=True, help="Samples of each pixel.")
@click.option("--side", default="128", show_default=True, help="Of the pictures, in pixels.")
@json_option
def measure_render(samples: str, side: str, as_json: bool) -> None:
    """Print quality and work of rendered scenes for numbers of samples (extra: render)."""
    numbers = [whole(one, "--samples", 1, 65536) or 1 for one in samples.split(",")]
    width = whole(side, "--side", 16, 1024) or 128
    from edgewright.cli.terminal import counting_bar
    from edgewright.generators import render_measurement

    with counting_bar("generator", render_measurement.pictures(numbers)) as on_progress:
        facts = render_measurement.measure(numbers, width, on_progress=on_progress)
    if as_json:
        print_json(facts)
        return
    click.echo(f"{'samples':>8}{'PSNR dB, SSIM':>18}{'denoised':>16}{'CPU ms':>10}{'denoise':>9}")
    for row in facts["rows"]:
        click.echo(
            f"{row['samples']:>8}{row['raw_psnr_db']:>11.2f}{row['raw_ssim']:>7.3f}"
            f"{row['psnr_db']:>9.2f}{row['ssim']:>7.3f}"
            f"{row['cpu_ms']:>10.1f}{row['denoise_cpu_ms']:>9.1f}"
        )
    if line := facts["line"]:
        click.echo(
            f"work: {line['intercept_ms']:.2f} ms + {line['slope_ms']:.3f} ms a sample "
            f"[{line['low_ms']:.3f}, {line['high_ms']:.3f}], R² {line['r2']:.5f}"
        )
