#include "serve/running_model.h"

#include <algorithm>
#include <chrono>
#include <ctime>
#include <utility>

#include "base/cat.h"
#include "base/counted.h"
#include "engine/start_threads.h"

namespace octet::serve {

Result<std::unique_ptr<RunningModel>> RunningModel::Open(const ModelSource& source,
                                                         const RunningModelOptions& options) {
  const auto begin = std::chrono::steady_clock::now();
  OCTET_TRY(options.schedule.Check());
  std::unique_ptr<ThreadPool> pool = OCTET_TRY(StartThreads(options.engine.threads, options.engine.numa));
  ModelFiles files = OCTET_TRY(ModelFiles::Open(source.path, options.engine.load, *pool));
  std::unique_ptr<RunningModel> model(new RunningModel());
  model->open_.model = {.name = source.name, .aliases = source.aliases};
  ServedModel& served = model->open_.model;
  served.most_choices = std::min(served.most_choices, options.schedule.max_running);
  served.most_answers = options.schedule.max_waiting;
  OCTET_TRY(model->OpenAdapters(source, files.spec));
  if (files.spec.encoder) {
    const EmbedderOptions of_encoder{.compute = options.engine.load.compute, .activations = options.engine.activations};
    model->embedder_ = OCTET_TRY(Embedder::Create(std::move(files), std::move(pool), of_encoder));
    model->encoder_loop_ = EncoderLoop::Start(*model->embedder_, {.max_jobs = options.schedule.max_waiting,
                                                                  .max_tokens = options.schedule.max_waiting_tokens});
    model->DescribeEmbedder();
  } else {
    model->engine_ = OCTET_TRY(Engine::Create(std::move(files), std::move(pool), options.engine));
    model->loop_ = OCTET_TRY(EngineLoop::Start(*model->engine_, options.schedule));
    model->DescribeEngine(options.tool_format);
  }
  served.created = std::time(nullptr);
  model->open_.load_seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  return model;
}

Status RunningModel::Check(const ModelSource& source, const RunningModelOptions& options) {
  ThreadPool pool(1);
  const ModelFiles files = OCTET_TRY(ModelFiles::Open(source.path, options.engine.load, pool));
  for (const AdapterSource& adapter : source.adapters) OCTET_TRY(Adapter::Open(adapter.path, files.spec));
  return {};
}

Status RunningModel::OpenAdapters(const ModelSource& source, const ModelSpec& spec) {
  for (const AdapterSource& adapter : source.adapters) {
    open_.adapters.push_back(OCTET_TRY(Adapter::Open(adapter.path, spec)));
    open_.model.adapters.push_back(adapter.name);
  }
  return {};
}

void RunningModel::DescribeEngine(std::optional<ToolFormat> tool_format) {
  ServedModel& model = open_.model;
  model.tokenizer = engine_->tokenizer();
  model.chat_template = engine_->chat_template();
  model.grammars = &engine_->grammars();
  const bool has_template = model.chat_template != nullptr;
  model.tool_format = tool_format.value_or(has_template ? ToolFormatOf(*model.chat_template) : ToolFormat::kNone);
  model.defaults = engine_->defaults();
  model.vocab = engine_->spec().vocab;
  model.context = engine_->context();
  open_.loop = loop_.get();
  open_.tier = engine_->tier();
}

void RunningModel::DescribeEmbedder() {
  ServedModel& model = open_.model;
  model.tokenizer = &embedder_->tokenizer();
  model.vocab = embedder_->spec().vocab;
  model.context = embedder_->config().max_tokens;
  model.encoder = ServedEncoder{.width = embedder_->spec().hidden,
                                .labels = embedder_->spec().encoder->labels,
                                .type_vocab = embedder_->spec().encoder->type_vocab,
                                .prompt = embedder_->config().prompt};
  open_.encoder = encoder_loop_.get();
  open_.tier = embedder_->tier();
}

std::string RunningModel::Summary() const {
  const size_t threads = engine_ ? engine_->threads() : embedder_->threads();
  return Cat("ready after ", open_.load_seconds, " s: ", threads, " threads, tier ", open_.tier,
             engine_ ? ", context " : ", texts of up to ", open_.model.context, engine_ ? "" : " tokens",
             open_.adapters.empty() ? std::string() : Cat(", ", Counted(open_.adapters.size(), "adapter")));
}

}  // namespace octet::serve
