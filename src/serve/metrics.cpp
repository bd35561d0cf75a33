#include "serve/metrics.h"

#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

#include <algorithm>
#include <ctime>
#include <limits>
#include <utility>
#include <vector>

#include "base/cat.h"
#include "base/memory.h"
#include "base/process_use.h"
#include "kernels/layout.h"

namespace octet::serve {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;
using Labels = std::vector<ClientMetric::Label>;

class Families {
 public:
  // From here on figures are this model's; empty: the whole server's.
  void SetModel(const std::string& name) {
    labels_.clear();
    if (!name.empty()) labels_ = {{"model_name", name}, {"engine", "0"}};
  }

  void Gauge(std::string name, std::string help, double value, Labels more = {}) {
    ClientMetric metric;
    metric.gauge.value = value;
    Add(MetricType::Gauge, std::move(name), std::move(help), std::move(more), metric);
  }
  void Counter(std::string name, std::string help, double value, Labels more = {}) {
    ClientMetric metric;
    metric.counter.value = value;
    Add(MetricType::Counter, std::move(name), std::move(help), std::move(more), metric);
  }
  void Spread(std::string name, std::string help, const Histogram& histogram) {
    ClientMetric metric;
    metric.histogram.sample_count = histogram.count();
    metric.histogram.sample_sum = histogram.sum();
    uint64_t below = 0;  // Prometheus' buckets hold all that is at most as large as their bound
    for (size_t i = 0; i < histogram.counts().size(); ++i) {
      below += histogram.counts()[i];
      const double bound =
          i < histogram.bounds().size() ? histogram.bounds()[i] : std::numeric_limits<double>::infinity();
      metric.histogram.bucket.push_back({below, bound});
    }
    Add(MetricType::Histogram, std::move(name), std::move(help), {}, metric);
  }

  const std::vector<MetricFamily>& all() const { return families_; }

 private:
  void Add(MetricType type, std::string name, std::string help, Labels more, ClientMetric metric) {
    metric.label = labels_;
    metric.label.insert(metric.label.end(), more.begin(), more.end());
    // A family's metrics must stand together, whatever model they are of.
    const auto [place, is_new] = places_.try_emplace(name, families_.size());
    if (is_new) families_.push_back({std::move(name), std::move(help), type, {}});
    families_[place->second].metric.push_back(std::move(metric));
  }

  Labels labels_;
  std::vector<MetricFamily> families_;
  std::map<std::string, size_t> places_;
};

void AddEngineNow(const LoopStats& stats, Families& out) {
  const double pages = stats.pages == 0 ? 1 : static_cast<double>(stats.pages);
  out.Gauge("vllm:num_requests_running", "Answers computed now.", static_cast<double>(stats.running));
  out.Gauge("vllm:num_requests_waiting", "Answers in the queue.", static_cast<double>(stats.waiting));
  out.Gauge("vllm:kv_cache_usage_perc", "Share of the key/value cache that running answers hold; 1 is all.",
            static_cast<double>(stats.pages_held) / pages);
  out.Gauge("octet_queue_tokens", "Prompt tokens in the queue.", static_cast<double>(stats.waiting_tokens));
  out.Gauge("octet_cache_pages", "Pages of the key/value cache.", static_cast<double>(stats.pages));
  out.Gauge("octet_cache_pages_held", "Pages that running answers hold.", static_cast<double>(stats.pages_held));
  out.Gauge("octet_cache_pages_kept", "Pages that the prefix cache alone holds.",
            static_cast<double>(stats.pages_kept));
  // Gateways that spread requests over servers read the cache's size here.
  out.Gauge("vllm:cache_config_info", "1, with how the key/value cache is laid out.", 1,
            {{"block_size", std::to_string(kernels::kPagePositions)},
             {"num_gpu_blocks", std::to_string(stats.pages)},
             {"enable_prefix_caching", stats.caches_prefixes ? "True" : "False"}});
  out.Gauge("octet_draining", "1 while the server takes no new requests.", stats.draining ? 1 : 0);
}

void AddEngineTotals(const LoopStats& stats, Families& out) {
  const auto count = [&](const char* name, const char* help, uint64_t value) {
    out.Counter(name, help, static_cast<double>(value));
  };
  count("vllm:prefix_cache_queries_total", "Tokens looked for in the prefix cache.", stats.cache_queries);
  count("vllm:prefix_cache_hits_total", "Tokens found in the prefix cache.", stats.cache_hits);
  count("vllm:num_preemptions_total", "Answers that were put back and computed again.", stats.preemptions);
  count("vllm:spec_decode_num_drafts_total", "Guesses of what comes next in an answer.", stats.drafts);
  count("vllm:spec_decode_num_draft_tokens_total", "Tokens that were guessed.", stats.drafted_tokens);
  count("vllm:spec_decode_num_accepted_tokens_total", "Guessed tokens that were right.", stats.accepted_tokens);
  count("vllm:prompt_tokens_total", "Prompt tokens of requests that began.", stats.prompt_tokens);
  count("vllm:generation_tokens_total", "Tokens generated.", stats.generated_tokens);
  const char* success = "Answers by how they ended.";
  const auto finished = [&](FinishReason reason) {
    return static_cast<double>(stats.finished[static_cast<size_t>(reason)]);
  };
  out.Counter("vllm:request_success_total", success, finished(FinishReason::kStop), {{"finished_reason", "stop"}});
  out.Counter("vllm:request_success_total", success, finished(FinishReason::kLength), {{"finished_reason", "length"}});
  out.Counter("vllm:request_success_total", success, finished(FinishReason::kCancelled),
              {{"finished_reason", "abort"}});
  count("octet_steps_total", "Forward passes.", stats.steps);
  count("octet_requests_total", "Requests that the engine accepted.", stats.requests);
  count("octet_requests_refused_total", "Requests refused because the queue was full.", stats.refused);
  count("octet_answers_failed_total", "Answers that ended with an error.", stats.failed);
  count("octet_deadlines_passed_total", "Requests whose time was over before they were answered.",
        stats.deadlines_passed);
}

void AddEngineSpreads(const LoopStats& stats, Families& out) {
  out.Spread("vllm:time_to_first_token_seconds", "From a request's arrival to its first token.",
             stats.time_to_first_token);
  out.Spread("vllm:inter_token_latency_seconds", "Between two tokens of an answer.", stats.inter_token);
  out.Spread("vllm:time_per_output_token_seconds", "Between two tokens of an answer, by its older name.",
             stats.inter_token);
  out.Spread("vllm:e2e_request_latency_seconds", "From a request's arrival to its last token.", stats.total);
  out.Spread("vllm:request_queue_time_seconds", "In the queue.", stats.queue);
  out.Spread("vllm:request_prefill_time_seconds", "From the queue to the first token.", stats.prefill);
  out.Spread("vllm:request_decode_time_seconds", "From the first token to the last.", stats.decode);
  out.Spread("vllm:request_inference_time_seconds", "From the queue to the last token.", stats.inference);
  out.Spread("vllm:request_prompt_tokens", "Prompt tokens of each answer.", stats.request_prompt_tokens);
  out.Spread("vllm:request_generation_tokens", "Generated tokens of each answer.", stats.request_generated_tokens);
  out.Spread("vllm:iteration_tokens_total", "Tokens in each forward pass.", stats.step_tokens);
  out.Spread("vllm:request_params_n", "Answers that each request asked for.", stats.request_choices);
  out.Spread("vllm:request_params_max_tokens", "Tokens that each request allowed an answer.", stats.request_max_tokens);
  out.Spread("vllm:request_max_num_generation_tokens", "Generated tokens of each request's longest answer.",
             stats.request_most_generated);
}

void AddEncoder(const EncoderStats& stats, Families& out) {
  const auto count = [&](const char* name, const char* help, uint64_t value) {
    out.Counter(name, help, static_cast<double>(value));
  };
  out.Gauge("octet_encoder_requests", "Requests to an encoder that aren't answered yet.",
            static_cast<double>(stats.jobs));
  out.Gauge("octet_encoder_queue_tokens", "Tokens of these that aren't computed yet.",
            static_cast<double>(stats.tokens));
  count("octet_encoder_requests_total", "Requests that the encoder accepted.", stats.accepted);
  count("octet_encoder_requests_refused_total", "Requests refused because the queue was full.", stats.refused);
  count("octet_encoder_inputs_total", "Texts and pairs of texts computed.", stats.inputs_done);
  count("octet_encoder_tokens_total", "Tokens of these.", stats.tokens_done);
  count("octet_encoder_passes_total", "Forward passes.", stats.passes);
}

// Gateways that send a request to a server which has its adapter at work already read it here; vLLM's value is the
// time.
void AddAdapters(const ModelFigures& model, Families& out) {
  const auto names = [&](const std::vector<uint64_t>& numbers) {
    std::string list;
    for (const auto& [number, name] : model.adapters) {
      if (std::binary_search(numbers.begin(), numbers.end(), number)) list += (list.empty() ? "" : ",") + name;
    }
    return list;
  };
  out.Gauge("vllm:lora_requests_info", "Adapters of running and of waiting answers; the value is the time.",
            static_cast<double>(std::time(nullptr)),
            {{"max_lora", std::to_string(model.adapters.size())},
             {"running_lora_adapters", names(model.engine->running_adapters)},
             {"waiting_lora_adapters", names(model.engine->waiting_adapters)}});
}

void AddModel(const ModelFigures& model, Families& out) {
  out.SetModel(model.name);
  out.Gauge("octet_model_loaded", "1 while the model is in memory.", model.loaded ? 1 : 0);
  if (!model.loaded) return;
  out.Gauge("octet_info", "1, with the CPU tier whose kernels run.", 1, {{"tier", model.tier}});
  out.Gauge("octet_load_seconds", "What opening the model took.", model.load_seconds);
  if (model.encoder) AddEncoder(*model.encoder, out);
  if (!model.engine) return;
  if (!model.adapters.empty()) AddAdapters(model, out);
  AddEngineNow(*model.engine, out);
  AddEngineTotals(*model.engine, out);
  AddEngineSpreads(*model.engine, out);
}

// Names and meanings are those of Prometheus' client libraries.
void AddProcess(const ProcessUse& use, Families& out) {
  out.Counter("process_cpu_seconds_total", "Time of all threads on cores, the system's for them too.", use.cpu_seconds);
  out.Gauge("process_start_time_seconds", "When the process began, in seconds since 1970.", use.start_seconds);
  out.Gauge("process_open_fds", "Files and connections that are open.", static_cast<double>(use.open_files));
  out.Gauge("process_max_fds", "How many may be open.", static_cast<double>(use.most_files));
  out.Gauge("process_virtual_memory_bytes", "Addresses of the process, used or not.",
            static_cast<double>(use.address_bytes));
  out.Gauge("process_resident_memory_bytes", "Memory of the process that is resident.",
            static_cast<double>(ReadResidentMemory().now));
}

void AddServer(const MetricsSource& source, Families& out) {
  for (const auto& [key, count] : source.requests.finished())
    out.Counter("octet_http_requests_total", "Replies by path and status.", static_cast<double>(count),
                {{"path", key.first}, {"status", std::to_string(key.second)}});
  out.Counter("octet_http_disconnects_total", "Clients that left before their reply was whole.",
              static_cast<double>(source.requests.disconnects()));
  out.Gauge("octet_http_connections", "Connections open now.", static_cast<double>(source.connections));
  AddProcess(ReadProcessUse(), out);
}

}  // namespace

void RequestCounts::Add(std::string_view path, int status, bool gone) {
  if (gone) ++disconnects_;
  const std::lock_guard lock(mutex_);
  ++finished_[{std::string(path), status}];
}

std::map<std::pair<std::string, int>, uint64_t> RequestCounts::finished() const {
  const std::lock_guard lock(mutex_);
  return finished_;
}

std::string MetricsText(const MetricsSource& source) {
  Families families;
  for (const ModelFigures& model : source.models) AddModel(model, families);
  // With one model its name stands everywhere, as vLLM's dashboards filter by it.
  families.SetModel(source.models.size() == 1 ? source.models[0].name : std::string());
  AddServer(source, families);
  return prometheus::TextSerializer().Serialize(families.all());
}

}  // namespace octet::serve
