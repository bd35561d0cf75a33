"""Makes tests/golden/adapters/: small LoRA adapters of tiny models, and what PEFT computes with them.

    python tools/golden/adapters.py             needs torch, safetensors, transformers 5.23, peft 0.21; after models.py

Each folder is named after the model of tests/golden/models that its adapter belongs to, and a letter:
    adapter_config.json, adapter_model.safetensors      as PEFT saves them
    logits.safetensors                                  [16, vocab] F32, of the last 16 positions of golden.safetensors' ids
Computed in FP32 on one thread, the adapter beside the base and not merged. B isn't 0, as it would be before training, and
so large that answers differ.
"""

import json
import sys
from pathlib import Path

sys.path = [folder for folder in sys.path if Path(folder or ".").resolve() != Path(__file__).resolve().parent]

import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file, save_file
from transformers import AutoConfig, AutoModelForCausalLM

GOLDEN = Path(__file__).resolve().parents[2] / "tests/golden"
ROWS = 16
LLAMA = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]

# folder: (model, LoraConfig's fields, type of the stored factors)
CASES = {
    "smollm2_a": ("smollm2", dict(r=4, lora_alpha=8, target_modules=LLAMA), torch.bfloat16),
    "smollm2_b": ("smollm2", dict(r=3, lora_alpha=5, use_rslora=True, target_modules=["q_proj", "v_proj"]), torch.float32),
    "llama_linear_a": ("llama_linear", dict(r=2, lora_alpha=4, target_modules=LLAMA, rank_pattern={"down_proj": 5}),
                       torch.float16),
    "phi3_short_a": ("phi3_short", dict(r=4, lora_alpha=4, target_modules=["qkv_proj", "o_proj", "gate_up_proj", "down_proj"]),
                     torch.float32),
    "gemma2_a": ("gemma2", dict(r=2, lora_alpha=2, target_modules=["k_proj", "o_proj", "up_proj"], layers_to_transform=[1, 3]),
                 torch.float32),
}


def load_base(name):
    model = AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(GOLDEN / "models" / name), attn_implementation="eager")
    weights = {key: value.float() for key, value in load_file(GOLDEN / "models" / name / "model.safetensors").items()}
    missing, unexpected = model.load_state_dict(weights, strict=False)
    assert not unexpected and all("lm_head" in key or "rotary" in key for key in missing), (missing, unexpected)
    model.tie_weights()
    return model.float().eval()


def make(folder, name, fields, dtype):
    base = load_base(name)
    ids = load_file(GOLDEN / "models" / name / "golden.safetensors")["input_ids"].long()[None]
    with torch.no_grad():
        plain = base(ids).logits[0, -ROWS:]
    model = get_peft_model(base, LoraConfig(task_type="CAUSAL_LM", lora_dropout=0.0, **fields)).eval()
    generator = torch.Generator().manual_seed(len(folder) + ord(folder[-1]))
    with torch.no_grad():
        for key, parameter in model.named_parameters():
            if "lora_" in key:
                parameter.copy_((torch.randn(parameter.shape, generator=generator) * 0.15).to(dtype).float())
        logits = model(ids).logits[0, -ROWS:]
    assert (logits - plain).norm() > 0.1 * plain.norm(), "an adapter that changes nothing"
    to = GOLDEN / "adapters" / folder
    to.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(to)
    (to / "README.md").unlink()
    stored = load_file(to / "adapter_model.safetensors")
    save_file({key: value.to(dtype) for key, value in stored.items()}, to / "adapter_model.safetensors", {"format": "pt"})
    config = json.loads((to / "adapter_config.json").read_text())
    config["base_model_name_or_path"] = name
    (to / "adapter_config.json").write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")
    save_file({"logits": logits.contiguous()}, to / "logits.safetensors")
    print(f"{folder}: {len(stored)} tensors, logits differ by {((logits - plain).norm() / plain.norm()).item():.2f}")


def main():
    torch.set_num_threads(1)
    for folder, (name, fields, dtype) in CASES.items():
        make(folder, name, fields, dtype)


if __name__ == "__main__":
    main()
