#include "models/hf_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "golden_model.h"

namespace octet {
namespace {

Result<ModelSpec> Read(const std::string& text) { return ReadHfConfig(Must(ParseJson(text, "test")), "config.json"); }

std::string MessageOf(const std::string& text, ErrorCode code) {
  const Result<ModelSpec> spec = Read(text);
  if (spec) return "accepted";
  EXPECT_EQ(ErrorCodeName(spec.error().code), ErrorCodeName(code));
  return spec.error().message;
}

TEST(HfConfig, AMinimalFileTakesTheDefaultsOfItsModelType) {
  const ModelSpec llama = Must(Read(R"({"model_type":"llama"})"));
  EXPECT_EQ(llama.hidden, 4096u);
  EXPECT_EQ(llama.layers.size(), 32u);
  EXPECT_EQ(llama.layers[0].ffn.width, 11008u);
  EXPECT_EQ(llama.layers[0].attn.kv_heads, 32u);
  EXPECT_EQ(llama.eos_ids, std::vector<int32_t>{2});
  EXPECT_FALSE(llama.tied);

  const ModelSpec mistral = Must(Read(R"({"model_type":"mistral"})"));
  EXPECT_EQ(mistral.layers[31].attn.window, 4096u);
  EXPECT_EQ(mistral.layers[0].attn.kv_heads, 8u);

  const ModelSpec qwen2 = Must(Read(R"({"model_type":"qwen2"})"));
  EXPECT_EQ(qwen2.layers[31].attn.window, 0u);
  EXPECT_TRUE(qwen2.layers[0].attn.q_bias && !qwen2.layers[0].attn.out_bias);
  EXPECT_TRUE(qwen2.eos_ids.empty());

  EXPECT_EQ(Must(Read(R"({"model_type":"qwen3"})")).layers[0].attn.key_dim, 128u);
  EXPECT_EQ(Must(Read(R"({"model_type":"phi3"})")).layers[0].pre_attn.eps, 1e-5F);
}

TEST(HfConfig, MinimalGemmasAlternateWindowsAndRopes) {
  const ModelSpec gemma2 = Must(Read(R"({"model_type":"gemma2"})"));
  EXPECT_TRUE(gemma2.tied);
  EXPECT_EQ(gemma2.embed_scale, 48.0F);
  EXPECT_EQ(gemma2.final_softcap, 30.0F);
  EXPECT_EQ(gemma2.layers[0].attn.window, 4096u);
  EXPECT_EQ(gemma2.layers[1].attn.window, 0u);
  EXPECT_EQ(gemma2.layers[0].attn.softcap, 50.0F);

  const ModelSpec gemma3 = Must(Read(R"({"model_type":"gemma3_text"})"));
  ASSERT_EQ(gemma3.ropes.size(), 2u);
  EXPECT_EQ(gemma3.ropes[gemma3.layers[5].attn.rope_id].theta, 1e6);
  EXPECT_EQ(gemma3.ropes[gemma3.layers[4].attn.rope_id].theta, 1e4);
  EXPECT_EQ(gemma3.final_softcap, 0.0F);
}

TEST(HfConfig, AMinimalBertIsAnEncoderOfItsModelTypesSizes) {
  const ModelSpec bert = Must(Read(R"({"model_type":"bert"})"));
  ASSERT_TRUE(bert.encoder.has_value());
  EXPECT_EQ(bert.encoder->type_vocab, 2u);
  EXPECT_EQ(bert.encoder->labels, 0u);
  EXPECT_EQ(bert.encoder->norm.kind, NormKind::kLayer);
  EXPECT_EQ(bert.layers[11].sum_ffn.eps, 1e-12F);
  EXPECT_EQ(bert.layers[0].ffn.activation, ActivationKind::kGeluErf);
  EXPECT_FALSE(bert.layers[0].ffn.gated || bert.tied);
  EXPECT_EQ(bert.tensor_prefix, "");
  EXPECT_EQ(bert.Parameters(), 108891648u);  // of bert-base, without its pooler
}

TEST(HfConfig, TheClassOfABertSaysWhatStandsAroundIt) {
  const auto labels = [](const char* fields) {
    const ModelSpec spec =
        Must(Read(Cat(R"({"model_type":"bert","architectures":["BertForSequenceClassification"])", fields, "}")));
    EXPECT_EQ(spec.tensor_prefix, "bert.");
    return spec.encoder->labels;
  };
  EXPECT_EQ(labels(""), 2u);
  EXPECT_EQ(labels(R"(,"num_labels":3)"), 3u);
  EXPECT_EQ(labels(R"(,"id2label":{"0":"LABEL_0"},"num_labels":3)"), 1u);
  const ModelSpec masked = Must(Read(R"({"model_type":"bert","architectures":["BertForMaskedLM"]})"));
  EXPECT_EQ(masked.tensor_prefix, "bert.");
  EXPECT_EQ(masked.encoder->labels, 0u);
}

TEST(HfConfig, RobertaAndMpnetCountTheirPositionsFromBehindThePadding) {
  const ModelSpec roberta = Must(Read(R"({"model_type":"roberta","max_position_embeddings":514,"type_vocab_size":1})"));
  EXPECT_EQ(roberta.max_positions, 512u);
  EXPECT_EQ(roberta.PositionRows(), 514u);
  EXPECT_EQ(roberta.encoder->pad, 1);
  EXPECT_EQ(roberta.Parameters(), 124055040u);  // of roberta-base, without its pooler
  EXPECT_EQ(Must(Read(R"({"model_type":"roberta","pad_token_id":0})")).max_positions, 511u);
  const ModelSpec xlm = Must(Read(R"({"model_type":"xlm-roberta","architectures":["XLMRobertaForMaskedLM"]})"));
  EXPECT_EQ(xlm.tensor_prefix, "roberta.");

  const ModelSpec mpnet = Must(Read(R"({"model_type":"mpnet","max_position_embeddings":514,"pad_token_id":7})"));
  EXPECT_EQ(mpnet.max_positions, 512u);
  EXPECT_EQ(mpnet.encoder->pad, 1);
  EXPECT_EQ(mpnet.encoder->type_vocab, 0u);
  EXPECT_TRUE(mpnet.encoder->relative_bias);
  EXPECT_EQ(mpnet.Parameters(), 108895872u);  // of all-mpnet-base-v2, without its pooler
  const ModelSpec pairs = Must(
      Read(R"({"model_type":"mpnet","architectures":["MPNetForSequenceClassification"],"id2label":{"0":"LABEL_0"}})"));
  EXPECT_EQ(pairs.encoder->labels, 1u);
  EXPECT_EQ(pairs.tensor_prefix, "mpnet.");
}

TEST(HfConfig, WhatARobertaOrMpnetCannotBeIsRefusedByName) {
  EXPECT_EQ(MessageOf(R"({"model_type":"mpnet","relative_attention_num_buckets":64})", ErrorCode::kUnsupported),
            "config.json: `relative_attention_num_buckets` is 64, distances are sorted into 32 buckets");
  EXPECT_EQ(MessageOf(R"({"model_type":"roberta","pad_token_id":511})", ErrorCode::kCorrupt),
            "config.json: positions are counted from behind `pad_token_id` 511, which leaves none of "
            "`max_position_embeddings` 512");
  EXPECT_EQ(MessageOf(R"({"model_type":"roberta","pad_token_id":null})", ErrorCode::kCorrupt),
            "config.json: `pad_token_id` is no integer, positions of `roberta` are counted from it");
  EXPECT_THAT(MessageOf(R"({"model_type":"xlm-roberta","position_embedding_type":"relative_key_query"})",
                        ErrorCode::kUnsupported),
              testing::HasSubstr("positions of the type `relative_key_query`"));
}

TEST(HfConfig, FieldsOfDecodersDoNotChangeTheHeadsOfABert) {
  const ModelSpec bert = Must(Read(R"({"model_type":"bert","head_dim":8,"num_key_value_heads":3})"));
  EXPECT_EQ(bert.layers[0].attn.kv_heads, 12u);
  EXPECT_EQ(bert.layers[0].attn.key_dim, 64u);
}

TEST(HfConfig, WhatABertCannotBeIsRefusedByName) {
  const auto message = [](const char* field, ErrorCode code) {
    return MessageOf(Cat(R"({"model_type":"bert",)", field, "}"), code);
  };
  EXPECT_EQ(message(R"("position_embedding_type":"relative_key")", ErrorCode::kUnsupported),
            "config.json: positions of the type `relative_key` are not known; known is absolute");
  EXPECT_THAT(message(R"("is_decoder":true)", ErrorCode::kUnsupported), testing::HasSubstr("`is_decoder`"));
  EXPECT_THAT(message(R"("hidden_act":"relu")", ErrorCode::kUnsupported), testing::HasSubstr("activation `relu`"));
  EXPECT_THAT(message(R"("layer_norm_eps":2)", ErrorCode::kCorrupt), testing::HasSubstr("`layer_norm_eps` is 2"));
  EXPECT_THAT(message(R"("head_dim":64,"num_attention_heads":7)", ErrorCode::kCorrupt),
              testing::HasSubstr("`hidden_size` 768 doesn't divide into 7 heads"));
}

TEST(HfConfig, GemmasEmbeddingScaleIsExactWhateverTypeTheFileHas) {
  for (const char* dtype : {"bfloat16", "float16", "float32"}) {
    const ModelSpec spec =
        Must(Read(Cat(R"({"model_type":"gemma3_text","hidden_size":640,"torch_dtype":")", dtype, R"("})")));
    EXPECT_EQ(spec.embed_scale, std::sqrt(640.0F)) << dtype;
  }
}

TEST(HfConfig, OnlyGemma2CapsAttentionScores) {
  EXPECT_EQ(Must(Read(R"({"model_type":"gemma2","attn_logit_softcapping":7.0})")).layers[0].attn.softcap, 7.0F);
  EXPECT_EQ(Must(Read(R"({"model_type":"gemma3_text","attn_logit_softcapping":7.0})")).layers[0].attn.softcap, 0.0F);
}

TEST(HfConfig, TheContextIsAsLongAsTheRopeStretchesIt) {
  const auto context = [](std::string_view type, std::string_view fields) {
    return Must(Read(Cat(R"({"model_type":")", type, R"(","max_position_embeddings":1000,)", fields, "}")))
        .max_positions;
  };
  EXPECT_EQ(context("llama", R"("rope_scaling":{"rope_type":"linear","factor":2.5})"), 2500u);
  EXPECT_EQ(context("llama", R"("rope_scaling":{"rope_type":"dynamic","factor":4})"), 4000u);
  EXPECT_EQ(context("qwen2", R"("rope_scaling":{"rope_type":"yarn","factor":4})"), 4000u);
  // A maximum that was raised already stays.
  EXPECT_EQ(context("qwen2", R"("rope_scaling":{"type":"yarn","factor":4,"original_max_position_embeddings":250})"),
            1000u);
  EXPECT_EQ(context("qwen2", R"("rope_scaling":{"type":"yarn","factor":4,"original_max_position_embeddings":10})"),
            1000u);
  EXPECT_EQ(context("llama", R"("rope_scaling":{"rope_type":"linear","factor":0.5})"), 1000u);
  EXPECT_EQ(context("llama", R"("rope_scaling":{"rope_type":"linear","factor":1e300})"), size_t{1} << 31);
  EXPECT_EQ(
      context("llama", R"("rope_scaling":{"rope_type":"llama3","factor":8,"low_freq_factor":1,"high_freq_factor":4,
      "original_max_position_embeddings":125})"),
      1000u);
  EXPECT_EQ(context("gemma3_text", R"("rope_scaling":{"rope_type":"linear","factor":8})"), 1000u);
  EXPECT_EQ(context("phi3", R"("hidden_size":16,"num_attention_heads":2,"original_max_position_embeddings":500,
      "rope_scaling":{"type":"longrope","factor":4,"short_factor":[1,1,1,1],"long_factor":[2,2,2,2]})"),
            1000u);
  // What the rope itself computes with stays the file's number.
  EXPECT_EQ(Must(Read(R"({"model_type":"llama","max_position_embeddings":1000,
      "rope_scaling":{"rope_type":"dynamic","factor":4}})"))
                .ropes[0]
                .max_positions,
            1000u);
}

TEST(HfConfig, TokensOutsideTheVocabularyArePassedOver) {
  const ModelSpec spec = Must(Read(R"({"model_type":"llama","eos_token_id":[2,99999999,-1],"bos_token_id":-1})"));
  EXPECT_EQ(spec.eos_ids, std::vector<int32_t>{2});
  EXPECT_FALSE(spec.bos_id.has_value());
  EXPECT_TRUE(Must(Read(R"({"model_type":"llama","eos_token_id":18446744073709551615})")).eos_ids.empty());
}

TEST(HfConfig, AnEpsilonOfZeroIsOne) {
  EXPECT_EQ(Must(Read(R"({"model_type":"llama","rms_norm_eps":0})")).final_norm.eps, 0.0F);
}

TEST(HfConfig, NullMeansNoneWhereLeavingOutMeansTheDefault) {
  EXPECT_EQ(Must(Read(R"({"model_type":"mistral","sliding_window":null})")).layers[0].attn.window, 0u);
  EXPECT_EQ(Must(Read(R"({"model_type":"gemma2","final_logit_softcapping":null})")).final_softcap, 0.0F);
  EXPECT_EQ(Must(Read(R"({"model_type":"mistral","num_key_value_heads":null})")).layers[0].attn.kv_heads, 32u);
}

TEST(HfConfig, PhiNamesOfLongropeMeanLongrope) {
  for (const char* type : {"su", "yarn", "longrope"}) {
    const ModelSpec spec = Must(Read(Cat(R"({"model_type":"phi3","hidden_size":16,"num_attention_heads":2,
        "max_position_embeddings":131072,"original_max_position_embeddings":4096,"rope_scaling":{"type":")",
                                         type, R"(","short_factor":[1,1,1,1],"long_factor":[2,2,2,2]}})")));
    EXPECT_EQ(spec.ropes[0].kind, nn::RopeKind::kLongrope);
    EXPECT_NEAR(spec.ropes[0].attention_factor, std::sqrt(1 + std::log(32.0) / std::log(4096.0)), 1e-12);
  }
}

TEST(HfConfig, BothDialectsOfEveryGoldenGiveTheSameSlots) {
  for (const std::string& name : GoldenModels()) {
    const ModelSpec fresh = Must(ReadHfConfig(ReadJsonFile(GoldenModel(name) / "config.json"), name));
    const ModelSpec old = Must(ReadHfConfig(ReadJsonFile(GoldenModel(name) / "config_old.json"), name));
    EXPECT_EQ(fresh.ropes, old.ropes) << name;
    EXPECT_EQ(fresh.Parameters(), old.Parameters()) << name;
    EXPECT_EQ(fresh.tied, old.tied) << name;
  }
}

TEST(HfConfig, UnknownModelTypeIsNamedWithTheKnownOnes) {
  EXPECT_EQ(
      MessageOf(R"({"model_type":"mamba"})", ErrorCode::kUnsupported),
      "config.json: model type `mamba` is not known; known are bert, gemma2, gemma3_text, llama, mistral, mpnet, phi3, "
      "qwen2, qwen3, roberta, xlm-roberta");
}

TEST(HfConfig, UnknownRopeTypeOrParameterIsNamed) {
  EXPECT_EQ(MessageOf(R"({"model_type":"llama","rope_scaling":{"rope_type":"xpos"}})", ErrorCode::kUnsupported),
            "config.json: rope type `xpos` is not known; known are default, linear, dynamic, llama3, yarn, longrope");
  EXPECT_EQ(MessageOf(R"({"model_type":"qwen2","rope_scaling":{"type":"default","mrope_section":[16,24,24]}})",
                      ErrorCode::kUnsupported),
            "config.json: rope parameter `mrope_section` is not known and may change what is computed");
}

TEST(HfConfig, AnOddRotatedWidthIsRefused) {
  EXPECT_THAT(MessageOf(R"({"model_type":"llama","head_dim":63})", ErrorCode::kUnsupported),
              testing::HasSubstr("a head of 63 numbers with 63 that rotate"));
}

TEST(HfConfig, FieldsThatChangeTheComputationAreNamed) {
  EXPECT_THAT(MessageOf(R"({"model_type":"llama","num_local_experts":8})", ErrorCode::kUnsupported),
              testing::HasSubstr("`num_local_experts`"));
  EXPECT_THAT(MessageOf(R"({"model_type":"llama","partial_rotary_factor":0.5})", ErrorCode::kUnsupported),
              testing::HasSubstr("`partial_rotary_factor` 0.5"));
  EXPECT_THAT(MessageOf(R"({"model_type":"llama","hidden_act":"relu"})", ErrorCode::kUnsupported),
              testing::HasSubstr("`relu`"));
  EXPECT_THAT(MessageOf(R"({"model_type":"gemma3_text","use_bidirectional_attention":true})", ErrorCode::kUnsupported),
              testing::HasSubstr("`use_bidirectional_attention`"));
  EXPECT_THAT(MessageOf(R"({"model_type":"qwen3","num_hidden_layers":1,"layer_types":["chunked_attention"]})",
                        ErrorCode::kUnsupported),
              testing::HasSubstr("layer 0 is of type \"chunked_attention\""));
  EXPECT_EQ(Read(R"({"model_type":"llama","rope_interleaved":false,"pretraining_tp":1})").has_value(), true);
}

struct Hostile {
  const char* fields;
  const char* message;
};

TEST(HfConfig, SizesThatCannotBeAreRefusedBeforeAnythingIsAllocated) {
  const Hostile cases[] = {
      {R"("num_hidden_layers":0)", "`num_hidden_layers` is 0, expected an integer of 1 to 1024"},
      {R"("num_hidden_layers":4611686018427387904)", "`num_hidden_layers` is 4611686018427387904"},
      {R"("num_hidden_layers":-1)", "`num_hidden_layers` is -1"},
      {R"("num_hidden_layers":2.5)", "`num_hidden_layers` is 2.5"},
      {R"("num_hidden_layers":"32")", "`num_hidden_layers` is \"32\""},
      {R"("hidden_size":18446744073709551615)", "`hidden_size` is 18446744073709551615"},
      {R"("vocab_size":1e30)", "`vocab_size` is 1e+30"},
      {R"("num_attention_heads":0)", "`num_attention_heads` is 0"},
      {R"("num_attention_heads":30,"hidden_size":60,"num_key_value_heads":4)",
       "`num_attention_heads` 30 is not a multiple of `num_key_value_heads` 4"},
      {R"("num_attention_heads":7)", "`hidden_size` 4096 is not a multiple of `num_attention_heads` 7"},
      {R"("head_dim":100000)", "`head_dim` is 100000"},
      {R"("rms_norm_eps":-1e-6)", "`rms_norm_eps` is -1e-06, expected a number of 0 or more"},
      {R"("rms_norm_eps":"small")", "`rms_norm_eps` is \"small\""},
      {R"("rope_theta":-10000)", "`rope_theta` is -10000"},
      {R"("rope_scaling":[1])", "rope parameters are array, an object is expected"},
      {R"("rope_scaling":{"rope_type":"linear"})", "`factor` is missing"},
      {R"("rope_scaling":{"rope_type":"dynamic","factor":0.1})", "a factor of 1 or more (0.1)"},
      {R"("rope_scaling":{"rope_type":"longrope","factor":2,"short_factor":[1],"long_factor":[1]})",
       "`short_factor` has 1 number, expected 64"},
      {R"("eos_token_id":[2,"</s>"])", "`eos_token_id` holds string, integers are expected"},
      {R"("bos_token_id":"<s>")", "`bos_token_id` holds string, integers are expected"},
      {R"("tie_word_embeddings":"yes")", "`tie_word_embeddings` is \"yes\", expected true or false"},
      {R"("layer_types":["full_attention"])", "`layer_types` is a list of 1, expected one entry for each of 32 layers"},
  };
  for (const Hostile& hostile : cases) {
    EXPECT_THAT(MessageOf(Cat(R"({"model_type":"llama",)", hostile.fields, "}"), ErrorCode::kCorrupt),
                testing::HasSubstr(hostile.message))
        << hostile.fields;
  }
  EXPECT_EQ(MessageOf("[]", ErrorCode::kCorrupt), "config.json: array where an object is expected");
  EXPECT_THAT(MessageOf("{}", ErrorCode::kCorrupt), testing::HasSubstr("`model_type` is missing"));
}

}  // namespace
}  // namespace octet
