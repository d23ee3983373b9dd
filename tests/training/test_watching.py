"""Watching a critic records scores and changes nothing."""

import torch

from equipoise.networks.design import Design
from equipoise.networks.layouts import build_pair
from equipoise.training.loop import History
from equipoise.training.watching import WatchScores


def test_scores_of_every_group_where_due_and_no_trace_in_the_critic() -> None:
    torch.manual_seed(0)
    critic = build_pair("dcgan", Design(size=8, channels=1, base_channels=4))[1]
    images, labels = torch.rand(6, 1, 8, 8), torch.zeros(6, dtype=torch.long)
    before, chance = {k: v.clone() for k, v in critic.state_dict().items()}, torch.get_rng_state()
    watch, history = (
        WatchScores(critic, {"validation": lambda: (images, labels)}, every=10),
        History(),
    )
    for done in range(1, 31):
        watch(done, history)
    assert [step for step, _ in history.column("validation_score")] == [10, 20, 30]
    expected = critic.eval()(images, labels).mean().item()
    assert history.column("validation_score")[0][1] == expected
    assert all(torch.equal(before[name], value) for name, value in critic.state_dict().items())
    assert torch.equal(chance, torch.get_rng_state())


def test_the_critic_goes_on_in_training_mode() -> None:
    critic = build_pair("dcgan", Design(size=8, channels=1, base_channels=4))[1]
    WatchScores(critic, {}, every=1)(1, History())
    assert critic.training
