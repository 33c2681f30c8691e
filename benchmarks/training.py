"""One epoch (train step, test loss and accuracy): the stock loop, ours, and the matrix products alone."""

import torch
from timing import medians, report

from dynascope.training.memory import keep_freed_memory
from dynascope_modular_addition import ModularAddition1Layer


def stock_epoch(family, config):
    """The usual loop: a hooked transformer on all positions, loss at the last one, AdamW."""
    model = family.hooked(config, family.init(config))
    data = family.data(config)
    trainable = family.trainable(config)
    parameters = [value for name, value in model.state_dict(keep_vars=True).items() if name in trainable]
    recipe = config.training
    optimizer = torch.optim.AdamW(
        parameters, lr=recipe.learning_rate, betas=recipe.betas, weight_decay=recipe.weight_decay
    )

    def epoch():
        loss = family.loss(config, model(data.train_inputs)[:, -1], data.train_labels)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        with torch.inference_mode():
            logits = model(data.test_inputs)[:, -1]
            return float(family.loss(config, logits, data.test_labels)), float(
                (logits.argmax(-1) == data.test_labels).float().mean()
            )

    return epoch


def matrix_products(config, train_rows, test_rows):
    """The products that no implementation can avoid: per row 128 -> 512 + p and 512 -> p, thrice for training rows."""
    size, p = config.architecture, config.parameters.p
    shapes = [(size.d_model, size.d_mlp), (size.d_model, p), (size.d_mlp, p)]
    work = []
    for inner, outer in shapes:
        weight = torch.randn(inner, outer)
        for rows in (train_rows, test_rows):
            work.append((torch.randn(rows, inner), weight))
        gradient, inputs = torch.randn(train_rows, outer), torch.randn(train_rows, inner)
        work += [(gradient, weight.T.contiguous()), (inputs.T.contiguous(), gradient)]
    outputs = [left @ right for left, right in work]

    def products():
        for (left, right), output in zip(work, outputs, strict=True):
            torch.mm(left, right, out=output)

    return products


def main() -> None:
    keep_freed_memory()
    family = ModularAddition1Layer()
    for p, rounds in ((53, 40), (113, 15)):
        config = family.configure({"p": p})
        trainer = Trainer(family, config)
        rows = len(trainer.data.train_inputs), len(trainer.data.test_inputs)
        times = medians(
            {
                "stock loop": stock_epoch(family, config),
                "dynascope": trainer.step,
                "matrix products alone": matrix_products(config, *rows),
            },
            rounds,
        )
        report(f"one epoch, p = {p}, {rows[0]} training and {rows[1]} test pairs", times, "stock loop")


if __name__ == "__main__":
    main()
