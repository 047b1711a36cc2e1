"""Format the names and values that ``edgewright bench`` prints."""

from __future__ import annotations

from typing import Any

Rows = list[tuple[str, str]]


def speed(result: dict[str, Any]) -> Rows:
    """Return what ``bench speed`` measured: of a training, of tasks, or of a system's own."""
    if "meta_training" in result:
        return of_tasks(result)
    if "compile" in result:
        return training(result)
    parts = {name: part for name, part in result.items() if isinstance(part, dict)}
    del parts["machine"]
    return [
        (f"{name}: {key}", f"{value:,}" if isinstance(value, int | float) else str(value))
        for name, part in parts.items()
        for key, value in part.items()
    ]


def training(result: dict[str, Any]) -> Rows:
    """Return what a training needs: compiling, the world alone, learning."""
    compiling, world, training = result["compile"], result["world"], result["training"]
    rows = [
        ("training ready, cold", f"{compiling['cold']['total_s']:.1f} s"),
        ("  of which compiling", f"{compiling['cold']['compile_s']:.1f} s"),
        ("training ready, from the cache", f"{compiling['cached']['total_s']:.1f} s"),
        ("  of which compiling", f"{compiling['cached']['compile_s']:.2f} s"),
        ("world, inputs given", f"{world['inputs_given_steps_per_s'] / 1e6:.2f} M steps/s"),
        ("world, inputs drawn", f"{world['inputs_drawn_steps_per_s'] / 1e6:.2f} M steps/s"),
        ("  to one call a step from Python", f"{world['ratio_drawn_to_stepped']:.0f} x"),
        (f"{training['learner']}, one seed", f"{training['one_seed_steps_per_s']:,} steps/s"),
        ("  a million steps", f"{training['seconds_per_million_steps']:.1f} s"),
        ("  share of the world in that time", f"{100 * training['world_share']:.0f} %"),
        (
            f"{training['learner']}, {training['seeds_together']} seeds together",
            f"{training['seeds_together_steps_per_s']:,} steps/s",
        ),
        ("  to one seed", f"{training['ratio_together_to_one']:.2f} x"),
    ]
    return rows


def of_tasks(result: dict[str, Any]) -> Rows:
    """Return what was measured where scenarios are hidden."""
    meta, tuning, exact = result["meta_training"], result["fine_tuning"], result["enumeration"]
    rows = [
        (
            f"meta-training, {meta['tasks_per_round']} devices",
            f"{meta['rounds_per_s']:,.0f} rounds/s",
        ),
        ("  moved in a round", f"{meta['traffic_bytes_per_round'] / 1e6:.2f} MB"),
        (f"fine-tuning, {tuning['devices']} devices", f"{tuning['steps_per_s']:,} steps/s"),
        (f"{exact['actions']:,} actions in {exact['slots']} slots", f"{exact['seconds']:.2f} s"),
    ]
    peer = result.get("peer")
    if peer:
        rows += [
            (f"meta-training to {peer['library']}", f"{peer['ratio_meta_training']:.0f} x"),
            (f"fine-tuning to {peer['library']}", f"{peer['ratio_fine_tuning']:.0f} x"),
        ]
    return rows


def planner(result: dict[str, Any]) -> Rows:
    """Return what a decision of the planner costs."""
    full, small = result["full"], result["small"]
    rows = [
        (f"published size, {full['iterations']} iterations", f"{full['seconds']:.1f} s"),
        (f"  a decision, {full['published_iterations']} iterations", f"{full['decision_s']:.1f} s"),
        ("  rate", f"{full['gflops']:.1f} GFLOP/s"),
        ("  to the rate of a product of matrices", f"{full['share_of_product_rate']:.2f}"),
        ("  memory", f"{full['memory_mb']:.0f} MB"),
    ]
    if full["ratio_to_torch"] is not None:
        rows.append(("  to the same in PyTorch", f"{full['ratio_to_torch']:.2f} x"))
    rows += [
        ("small, one core, greedy", f"{small['greedy_ms']:.1f} ms"),
        ("small, one core, exploring", f"{small['exploring_ms']:.1f} ms"),
    ]
    return rows


def contracts(result: dict[str, Any]) -> Rows:
    """Return what learning and writing contracts costs, beside PyTorch and solvers."""
    raw, own, solver = result["raw"], result["structured"], result["solver"]
    rows = [("DMSAC on raw contracts, ours", f"{raw['ours_rounds_per_s']:,} rounds/s")]
    for threads, rate in (raw["torch_rounds_per_s"] or {}).items():
        rows.append((f"  PyTorch, {threads.replace('_', ' ')}", f"{rate:,} rounds/s"))
    if raw["ratio_to_torch"] is not None:
        rows.append(("  to its fastest", f"{raw['ratio_to_torch']:.1f} x"))
        for batch in (1, 256):
            ratio = raw[f"actions_batch_{batch}"]["ratio"]
            rows.append((f"  denoising to PyTorch, batch {batch}", f"{ratio:.1f} x"))
    rows += [
        (f"EDMSAC, {own['rounds']:,} rounds", f"{own['training_s']:.1f} s"),
        ("  compiling", f"{own['compile_s']:.1f} s"),
        ("  share of the optimum, mean", f"{own['optimum_ratio']:.4f}"),
        ("  5 % quantile", f"{own['optimum_ratio_p05']:.4f}"),
        ("  contracts, one at a time", f"{own['contracts_per_s_batch_1']:,}/s"),
        ("  contracts, 256 at a time", f"{own['contracts_per_s_batch_256']:,}/s"),
    ]
    names = {"clarabel": "cvxpy with Clarabel", "interior_point": "interior point, in a batch"}
    for key, name in names.items():
        if solver[f"{key}_ms"] is None:
            continue
        rows.append((f"{name}, a contract", f"{solver[f'{key}_ms']:.2f} ms"))
        after = result["pays_after_contracts"][key]
        text = "never" if after is None else f"{after:,} contracts"
        rows.append(("  the network pays after", text))
    return rows


def world_beside_peers(world: dict[str, Any]) -> Rows:
    """Return the rates of the world beside those of peers."""
    rows = [
        ("world, compiled", f"{world['compiled_steps_per_s'] / 1e6:.2f} M steps/s"),
        ("  to plain Python", f"{world['ratio_compiled_to_plain_python']:.0f} x"),
        ("plain Python, one copy", f"{world['plain_python_steps_per_s']:,} steps/s"),
        ("Gymnasium adapter, one copy", f"{world['gymnasium_steps_per_s']:,} steps/s"),
        ("  to plain Python", f"{world['ratio_gymnasium_to_plain_python']:.2f} x"),
    ]
    for row in world["vector"]:
        copies = row["copies"]
        sync, ours = row["plain_python_sync_steps_per_s"], row["gymnasium_steps_per_s"]
        rows += [
            (f"SyncVectorEnv of plain Python, {copies} copies", f"{sync:,} steps/s"),
            (f"vector adapter, {copies} copies", f"{ours:,} steps/s"),
            ("  to SyncVectorEnv", f"{row['ratio']:.1f} x"),
        ]
    return rows


def learners_beside_peers(result: dict[str, Any]) -> Rows:
    """Return speeds and scores of PPO, DQN and TD3 beside those of peers."""
    rows = []
    for kind in (one for one in ("ppo", "dqn", "td3", "sac") if one in result):
        speed, score = result[kind]["speed"], result[kind]["score"]
        name = kind.upper()
        rows.append((f"{name}, ours", f"{speed['ours_steps_per_s']:,} steps/s"))
        for how, rate in speed["stable_baselines3_steps_per_s"].items():
            rows.append(
                (f"{name}, Stable-Baselines3, {how.replace('_', ' ')}", f"{rate:,} steps/s")
            )
        rows.append(("  to its fastest", f"{speed['ratio_to_stable_baselines3']:.1f} x"))
        if speed.get("sbx_steps_per_s"):
            rows.append((f"{name}, sbx", f"{speed['sbx_steps_per_s']:,} steps/s"))
            rows.append(("  to it", f"{speed['ratio_to_sbx']:.1f} x"))
        if speed.get("rejax"):
            rows.append((f"{name}, rejax", f"{speed['rejax']['steps_per_s']:,} steps/s"))
            rows.append(("  to it", f"{speed['ratio_to_rejax']:.2f} x"))
        for side, label in (("ours", "ours"), ("stable_baselines3", "Stable-Baselines3")):
            part = score[side]
            value = f"{part['reward']:+.4f} [{part['low']:+.4f}, {part['high']:+.4f}]"
            rows.append((f"{name} after {score['steps']:,} steps, {label}", value))
        part = score["difference"]
        value = f"{part['mean']:+.4f} [{part['low']:+.4f}, {part['high']:+.4f}]"
        shown = "shown" if score["agree"] else "not shown"
        rows.append((f"  difference, {shown} to be below {score['margin']:g}", value))
    return rows


def reach(result: dict[str, Any]) -> Rows:
    """Return the seconds of training until a reward is reached, ours and theirs."""
    ours, peers = result["ours"], result["stable_baselines3"]
    shown = [(f"{ours['learner']}, ours", ours), ("PPO, Stable-Baselines3", peers)]
    rows = []
    for name, side in shown:
        value = "not reached" if side["median_s"] is None else f"{side['median_s']:.2f} s"
        rows.append((f"reward of {result['reward']:g}, {name}", value))
    rows.append(("  ours, prices and compiling before", f"{ours['prepare_s']:.1f} s"))
    if result["ratio"] is not None:
        ratios = f"{result['ratio']:.1f}, {result['ratio_with_preparation']:.1f} x"
        rows.append(("  ratio, without and with that", ratios))
    return rows


def gateway(result: dict[str, Any]) -> list[tuple[str, str]]:
    """Return rows on the time that gateways add, and the rates that they reach."""
    rows: list[tuple[str, str]] = []
    rates = {row["through"]: row["requests_per_s"] for row in result["rows"]}
    for row in result["rows"]:
        name = row["through"]
        times = f"{row['p50_ms']:.2f} / {row['p99_ms']:.2f} ms"
        rows.append((f"{name}: p50 / p99", times))
        if name != "direct":
            added = f"{row['added_p50_ms']:+.2f} / {row['added_p99_ms']:+.2f} ms"
            rows.append(("  added", added))
            rows.append(
                ("  times the direct ones", f"{row['p50_ratio']:.2f} / {row['p99_ratio']:.2f}")
            )
        share = f"{row['requests_per_s']:,.0f}/s, {row['requests_per_s'] / rates['direct']:.0%}"
        rows.append(("  rate, of the direct one", share))
        if name not in ("direct", "bare"):
            rows.append(("  rate, of the bare proxy's", f"{row['rate_over_bare']:.0%}"))
    if "policy" in rates:
        rows.append(
            ("rate with the policy, of that with a rule", f"{rates['policy'] / rates['rule']:.0%}")
        )
    return rows
