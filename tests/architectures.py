"""Architectures × tasks, each built tiny from its configuration with a tokenizer trained on the spot.

`ROWS` says which are read and which are refused; the same rows make the table of ``docs/models.md``.
"""

from dataclasses import dataclass, field
from functools import cache

from tests import tiny

# Names under which configurations keep their sizes; those that a configuration knows are set.
_SIZES = {
    "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 48,
    "max_position_embeddings": 66, "num_key_value_heads": 2, "head_dim": 16, "n_embd": 32, "n_layer": 2,
    "n_head": 2, "n_positions": 66, "dim": 32, "n_layers": 2, "n_heads": 2, "hidden_dim": 48, "d_model": 32,
    "d_inner": 48, "emb_dim": 32, "embedding_size": 32, "ffn_dim": 48, "word_embed_proj_dim": 32,
    "num_layers": 2, "num_heads": 2, "max_seq_len": 66, "encoder_layers": 2, "decoder_layers": 2,
    "encoder_attention_heads": 2, "decoder_attention_heads": 2, "encoder_ffn_dim": 48, "decoder_ffn_dim": 48,
    "rotary_dim": 8, "n_ctx": 66, "dff": 48, "entity_emb_size": 16, "entity_vocab_size": 4, "bandwidth": 8,
}  # fmt: skip
_HEADS = {
    "classification": "AutoModelForSequenceClassification",
    "masked-word": "AutoModelForMaskedLM",
    "next-word": "AutoModelForCausalLM",
}


@dataclass(frozen=True)
class Row:
    """One architecture and task: ``tokens`` names the tokenizer, ``refused`` a part of the sentence."""

    family: str
    task: str = "classification"
    tokens: str = "wordpiece"
    settings: dict = field(default_factory=dict)
    refused: str = ""
    label: str = ""

    @property
    def name(self):
        return f"{self.family}{' ' if self.label else ''}{self.label}, {self.task}"


def _rows():
    words, bytes_, metaspace, open_bytes = "wordpiece", "byte-level", "metaspace", "byte-level, open"
    single = {
        "mobilebert": {"true_hidden_size": 32, "intra_bottleneck_size": 32, "use_bottleneck": False,
                       "key_query_shared_bottleneck": False, "num_feedforward_networks": 1,
                       "classifier_activation": False},
        "esm": {"position_embedding_type": "absolute", "emb_layer_norm_before": True},
        "convbert": {"head_ratio": 1},
        "squeezebert": dict.fromkeys(("q_groups", "k_groups", "v_groups", "post_attention_groups",
                                      "intermediate_groups", "output_groups"), 1),
    }  # fmt: skip
    families = "bert convbert distilbert electra ernie ibert luke megatron-bert mobilebert mpnet roformer"
    for family in (*families.split(), "squeezebert", "esm", "flaubert", "data2vec-text"):
        yield Row(family, settings=single.get(family, {}))
    yield Row("big_bird", settings={"attention_type": "original_full"}, label="with full attention")
    for family in ("roberta", "camembert", "roberta-prelayernorm", "xlm-roberta-xl", "xmod"):
        settings = {"default_language": "en_XX", "languages": ["en_XX"]} if family == "xmod" else {}
        yield Row(family, tokens=bytes_, settings=settings)
    for family in ("albert", "xlm-roberta", "deberta", "deberta-v2", "rembert", "xlnet", "xlm"):
        settings = {"input_embedding_size": 16, "output_embedding_size": 16} if family == "rembert" else {}
        yield Row(family, tokens="metaspace, end" if family == "xlnet" else metaspace, settings=settings)
    modern = {"num_hidden_layers": 3, "global_attn_every_n_layers": 2}
    yield Row("modernbert", settings=modern | {"classifier_pooling": "cls"}, label="(first)")
    yield Row("modernbert", settings=modern | {"classifier_pooling": "mean"}, label="(mean)")
    for family in ("gpt2", "gpt_neox", "gptj", "opt", "bloom", "phi", "qwen2", "qwen3", "falcon", "ctrl"):
        yield Row(family, tokens=open_bytes)
    yield Row("gpt_neo", tokens=open_bytes, settings={"attention_types": [[["global", "local"], 1]]})
    for family in ("llama", "mistral", "gemma", "gemma2", "biogpt"):
        yield Row(family, tokens="metaspace, open")
    yield Row("gpt2", tokens=words, label="with [CLS] … [SEP]")
    yield Row("bert", tokens=open_bytes, label="without [CLS]")
    yield Row("bert", label="labels on or off", settings={"problem_type": "multi_label_classification"})
    yield Row("bert", label="one output", settings={"num_labels": 1})
    for family in ("bert", "distilbert", "electra", "mpnet", "esm", "squeezebert", "flaubert", "xlm"):
        yield Row(family, "masked-word", settings=single.get(family, {}))
    yield Row("roberta", "masked-word", bytes_)
    for family in ("albert", "deberta-v2", "xlm-roberta"):
        yield Row(family, "masked-word", metaspace)
    yield Row("modernbert", "masked-word", settings=modern)
    for family in ("gpt2", "gpt_neox", "opt", "bloom", "qwen2", "gptj"):
        yield Row(family, "next-word", open_bytes)
    for family in ("llama", "mistral", "gemma2", "biogpt"):
        yield Row(family, "next-word", "metaspace, open")
    yield Row("gpt2", "next-word", words, label="with [CLS] … [SEP]")
    yield Row("bert", "next-word", label="as a decoder", settings={"is_decoder": True})
    later = "attends to later words"
    yield Row("bert", "next-word", refused=later)
    yield Row("xlnet", "next-word", "metaspace, end", refused=later)
    yield Row("longformer", refused="attention covers a window", settings={"attention_window": 8})
    yield Row("big_bird", refused='"original_full"')
    yield Row("funnel", refused="pools words", settings={"block_sizes": [1, 1], "d_head": 16})
    yield Row("yoso", refused="by hashing")
    yield Row("nystromformer", refused="from landmarks")
    yield Row("fnet", refused="none to read")
    experts = {"num_local_experts": 2, "num_experts_per_tok": 1}
    yield Row("gpt_oss", tokens=open_bytes, refused="sink", settings=experts)
    yield Row("bart", tokens=bytes_, refused="an encoder and a decoder")
    yield Row("t5", tokens="metaspace, end", refused="an encoder and a decoder", settings={"d_kv": 16})


ROWS = list(_rows())


@cache
def tokenizer(kind):
    """A fast tokenizer of one kind, trained on a few sentences."""
    import transformers
    from tokenizers import processors

    if kind == "wordpiece":
        core, names = tiny._wordpiece()
    elif kind.startswith("byte-level"):
        core, names = tiny._byte_level(masked=not kind.endswith("open"))
    else:
        core, names = tiny._unigram()
        if kind.endswith("open"):
            core.post_processor = processors.TemplateProcessing(single="$A", special_tokens=[])
        elif kind.endswith("end"):
            core.post_processor = processors.TemplateProcessing(
                single="$A [SEP]:0 [CLS]:2", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
            )
    inputs = ["input_ids", *(["token_type_ids"] if kind.endswith("end") else []), "attention_mask"]
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=core, model_max_length=512, model_input_names=inputs, **names
    )


def build(row, folder, seed=0):
    """Save a random model of one row, with its tokenizer, into a folder."""
    import torch
    import transformers

    read = tokenizer(row.tokens)
    kind = transformers.CONFIG_MAPPING[row.family]
    known = set(kind().to_dict()) | set(kind.attribute_map)
    sizes = {k: v for k, v in _SIZES.items() if k in known and kind.attribute_map.get(k) not in _SIZES}
    special = {f"{kind_}_token_id": index for kind_, index in (
        ("pad", read.pad_token_id), ("bos", read.bos_token_id), ("eos", read.eos_token_id),
        ("mask", read.mask_token_id))}  # fmt: skip
    settings = {"num_labels": 3, "vocab_size": len(read)} | sizes | special | row.settings
    config = kind(**settings)
    torch.manual_seed(seed)
    head = {name: getattr(transformers, name) for name in _HEADS.values()}[_HEADS[row.task]]
    model = head.from_config(config).float()
    with torch.no_grad():  # weights far enough from zero that predictions differ between inputs
        for parameter in model.parameters():
            if parameter.ndim > 1:
                parameter.normal_(0, 0.3)
    transformers.utils.logging.disable_progress_bar()
    model.save_pretrained(folder)
    read.save_pretrained(folder)
    return folder
