"""Tiny random Transformers of several families, with real fast tokenizers, made on the fly."""

from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

TEXTS = [
    "the plot is thin but the actors are wonderful and i loved every minute",
    "a dull lifeless film with wooden acting and a boring script it's not good",
    "the blue whale is the largest animal on the planet",
    "what a waste of a talented cast, the whole thing is a mess! really? yes.",
] * 3


def _wordpiece():
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    tokenizer.train_from_iterator(TEXTS, trainers.WordPieceTrainer(vocab_size=150, special_tokens=special))
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    names = {"pad": "[PAD]", "unk": "[UNK]", "cls": "[CLS]", "sep": "[SEP]", "mask": "[MASK]"}
    return tokenizer, {f"{kind}_token": token for kind, token in names.items()}


def _byte_level(masked):
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"] if masked else ["<|endoftext|>"]
    trainer = trainers.BpeTrainer(
        vocab_size=400, special_tokens=special, initial_alphabet=pre_tokenizers.ByteLevel.alphabet()
    )
    tokenizer.train_from_iterator(TEXTS, trainer)
    if not masked:
        tokenizer.post_processor = processors.ByteLevel(trim_offsets=True)
        return tokenizer, {"eos_token": "<|endoftext|>", "bos_token": "<|endoftext|>"}
    tokenizer.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0), add_prefix_space=False)
    names = {"bos": "<s>", "pad": "<pad>", "eos": "</s>", "unk": "<unk>", "cls": "<s>", "sep": "</s>"}
    return tokenizer, {f"{kind}_token": token for kind, token in names.items()} | {"mask_token": "<mask>"}


def _unigram():
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    special = ["<pad>", "<unk>", "[CLS]", "[SEP]", "[MASK]"]
    tokenizer.train_from_iterator(
        TEXTS, trainers.UnigramTrainer(vocab_size=120, special_tokens=special, unk_token="<unk>")
    )
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    names = {"pad": "<pad>", "unk": "<unk>", "cls": "[CLS]", "sep": "[SEP]", "mask": "[MASK]"}
    return tokenizer, {f"{kind}_token": token for kind, token in names.items()}


# family -> (configuration class, sizes, tokenizer, heads that it can carry)
_SMALL = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 48}
FAMILIES = {
    "bert": ("BertConfig", _SMALL | {"max_position_embeddings": 64}, _wordpiece),
    "distilbert": (
        "DistilBertConfig",
        {"dim": 32, "n_layers": 2, "n_heads": 4, "hidden_dim": 48, "max_position_embeddings": 64},
        _wordpiece,
    ),
    "roberta": ("RobertaConfig", _SMALL | {"max_position_embeddings": 66}, lambda: _byte_level(True)),
    "electra": ("ElectraConfig", _SMALL | {"embedding_size": 16, "max_position_embeddings": 64}, _wordpiece),
    "albert": ("AlbertConfig", _SMALL | {"embedding_size": 16, "max_position_embeddings": 64}, _unigram),
    "gpt2": (
        "GPT2Config",
        {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 64},
        lambda: _byte_level(False),
    ),
}


def make(family, head, folder, seed=0, layers=2):
    """Save a random model of a family with one head ("SequenceClassification", "MaskedLM", "CausalLM")."""
    import torch
    import transformers

    name, sizes, build = FAMILIES[family]
    core, names = build()
    tokenizer = transformers.PreTrainedTokenizerFast(tokenizer_object=core, model_max_length=64, **names)
    special = {f"{kind}_token_id": getattr(tokenizer, f"{kind}_token_id") for kind in ("pad", "bos", "eos")}
    config = getattr(transformers, name)(vocab_size=len(tokenizer), num_labels=3, **sizes, **special)
    config.num_hidden_layers = layers
    torch.manual_seed(seed)
    model = getattr(transformers, f"AutoModelFor{head}").from_config(config)
    with torch.no_grad():  # weights far enough from zero that predictions differ between inputs
        for parameter in model.parameters():
            if parameter.ndim > 1:
                parameter.normal_(0, 0.3)
    bars = transformers.utils.logging
    bars.disable_progress_bar()
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
