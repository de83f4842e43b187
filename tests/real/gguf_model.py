"""Writes the model that says the alphabet as a GGUF file for llama.cpp. Run in an environment that has `gguf`."""

import sys
from pathlib import Path

import gguf
import numpy

sys.path.insert(0, str(Path(__file__).parent))
from alphabet import BEGIN, CONTEXT, END, HEADS, LAYERS, TEMPLATE, TOKENS, WIDTH, embeddings, outputs

INNER = 4 * WIDTH


def write(path: str) -> None:
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_name("alphabet")
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(LAYERS)
    writer.add_feed_forward_length(INNER)
    writer.add_head_count(HEADS)
    writer.add_layer_norm_rms_eps(1e-6)
    writer.add_rope_dimension_count(WIDTH // HEADS)
    writer.add_vocab_size(len(TOKENS))
    add_tokenizer(writer)
    add_weights(writer)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def add_tokenizer(writer: gguf.GGUFWriter) -> None:
    kinds = {"<unk>": gguf.TokenType.UNKNOWN, "<s>": gguf.TokenType.CONTROL, "</s>": gguf.TokenType.CONTROL}
    writer.add_tokenizer_model("llama")
    writer.add_token_list([token.replace(" ", "\u2581") for token in TOKENS])
    writer.add_token_scores([0.0] * len(TOKENS))
    writer.add_token_types(
        [kinds.get(token, gguf.TokenType.NORMAL if len(token) == 1 else gguf.TokenType.BYTE) for token in TOKENS]
    )
    writer.add_bos_token_id(BEGIN)
    writer.add_eos_token_id(END)
    writer.add_unk_token_id(0)
    writer.add_add_bos_token(True)
    writer.add_add_space_prefix(False)
    writer.add_chat_template(TEMPLATE)


def add_weights(writer: gguf.GGUFWriter) -> None:
    """The layers add nothing: what they compute is thrown away by zeros, and takes its time."""
    wide, inner = numpy.zeros((WIDTH, WIDTH), numpy.float16), numpy.zeros((INNER, WIDTH), numpy.float16)
    writer.add_tensor("token_embd.weight", embeddings().astype(numpy.float16))
    writer.add_tensor("output.weight", outputs().astype(numpy.float16))
    writer.add_tensor("output_norm.weight", numpy.ones(WIDTH, numpy.float32))
    for layer in range(LAYERS):
        for name in ("attn_norm", "ffn_norm"):
            writer.add_tensor(f"blk.{layer}.{name}.weight", numpy.ones(WIDTH, numpy.float32))
        for name in ("attn_q", "attn_k", "attn_v", "attn_output"):
            writer.add_tensor(f"blk.{layer}.{name}.weight", wide)
        for name in ("ffn_gate", "ffn_up"):
            writer.add_tensor(f"blk.{layer}.{name}.weight", inner)
        writer.add_tensor(f"blk.{layer}.ffn_down.weight", inner.T.copy())


write(sys.argv[1])
