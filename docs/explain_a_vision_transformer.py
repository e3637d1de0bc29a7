"""Your own model in under 30 lines: which patches of an image made a Vision Transformer say so?"""

import numpy as np
import torch

from cleann_lite.models.protocol import Encoded


class VisionModel:
    """A ``ViTForImageClassification`` (eager attention) as ``explain`` sees it."""

    task, causal, name = "classification", False, "vision transformer"

    def __init__(self, model):
        self.model, self.hidden_size = model.eval(), model.config.hidden_size
        self.patch, self.side = model.config.patch_size, model.config.image_size // model.config.patch_size

    def encode(self, image, target=None, split_into="patches"):
        """``image``: (channels, height, width) tensor, normalised as the model expects."""
        target = int(self._run(image[None]).logits.argmax()) if target is None else target
        patches = [(row, column) for row in range(self.side) for column in range(self.side)]
        labels = tuple(f"row {row + 1}, column {column + 1}" for row, column in patches)
        tokens = tuple((1 + i,) for i in range(len(patches)))  # token 0 is [CLS], the outcome
        return Encoded(labels, tokens, (0,), self.label(target), target, image)

    def attention(self, encoded, layer=-1):
        return self._run(encoded.data[None], output_attentions=True).attentions[layer][0].double().numpy()

    def predict(self, encoded, masks):
        images = encoded.data.repeat(len(masks), 1, 1, 1)
        for image, mask in zip(images, masks, strict=True):
            for row, column in (divmod(unit, self.side) for unit in mask):
                image[:, row * self.patch :, column * self.patch :][:, : self.patch, : self.patch] = 0
        return torch.softmax(self._run(images).logits.double(), -1).numpy()

    def label(self, index):
        return str(self.model.config.id2label[int(index)])

    def masked_input(self, encoded, mask):
        return [label for unit, label in enumerate(encoded.units) if unit not in set(mask)]

    def _run(self, images, **options):
        with torch.inference_mode():
            return self.model(pixel_values=images, **options)


if __name__ == "__main__":
    import transformers

    import cleann_lite as cl

    config = transformers.ViTConfig(
        image_size=32, patch_size=8, hidden_size=48, num_hidden_layers=2, num_attention_heads=4, num_labels=4
    )
    torch.manual_seed(4)  # random weights, of which these say something
    network = transformers.ViTForImageClassification._from_config(config, attn_implementation="eager")
    picture = torch.from_numpy(np.random.default_rng(0).normal(size=(3, 32, 32)).astype("float32"))
    print(cl.explain(VisionModel(network), picture, words="all", alpha=0.1))
