"""Train SE-PPO on one scenario, compare it with rules on identical episodes, draw the figure.

    python examples/train_and_compare.py

STEPS keeps this short. Raise it to 1e6 for a policy worth comparing.
"""

import edgewright as ew

STEPS = 2e4
SEEDS = 2

problem = ew.make("aigc-heavy", {"params.horizon_slots": 100, "evaluation.episodes": 20})
print(problem)

run = ew.train(problem, "se-ppo", steps=STEPS, seeds=SEEDS)
print(run.history)

table = ew.compare(problem, ["greedy", "shortest-1", run])
print(table)
print(f"no policy can earn more than {table.bound:+.4f} per slot")
table.plot().savefig("comparison.svg")
