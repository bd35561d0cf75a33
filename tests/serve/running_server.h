// A server with a tiny model, asked through real connections.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/cat.h"
#include "base/json_text.h"
#include "engine/schedule/engine_loop.h"
#include "serve/http/http_server.h"
#include "serve/service.h"
#include "tests/serve/raw_client.h"

namespace octet::serve {

struct HttpResult {
  int status = 0;
  std::string head;
  std::string body;
  Json json;  // null where the body is none

  bool Has(const std::string& line) const { return head.find(line + "\r\n") != std::string::npos; }
  // The value at a JSON pointer; null where there is none.
  Json At(const std::string& pointer) const {
    const Json::json_pointer place(pointer);
    return json.contains(place) ? json[place] : Json(nullptr);
  }
};

// The data of each server-sent event, in order.
inline std::vector<std::string> Events(const std::string& body) {
  std::vector<std::string> events;
  for (size_t at = body.find("data: "); at != std::string::npos; at = body.find("data: ", at + 1))
    events.push_back(body.substr(at + 6, body.find("\n\n", at) - at - 6));
  return events;
}

class RunningServer : public testing::Test {
 protected:
  // The server alone.
  void Listen(ServiceOptions options) {
    options.log = [this](const Json& line) {
      const std::lock_guard lock(mutex_);
      log_.push_back(line);
    };
    service_ = std::make_unique<Service>(std::move(options));
    Result<std::unique_ptr<HttpServer>> server = HttpServer::Listen(http_, *service_);
    ASSERT_TRUE(server.has_value()) << server.error().message;
    server_ = std::move(*server);
    server_->Start();
  }

  void Start(ServiceOptions options = {}, ScheduleOptions schedule = {}) {
    Listen(std::move(options));
    Result<std::unique_ptr<Engine>> engine =
        Engine::Open(std::string(OCTET_SOURCE_DIR) + "/tests/golden/models/smollm2", {.threads = 1, .sessions = 8});
    ASSERT_TRUE(engine.has_value()) << engine.error().message;
    engine_ = std::move(*engine);
    Result<std::unique_ptr<EngineLoop>> loop = EngineLoop::Start(*engine_, schedule);
    ASSERT_TRUE(loop.has_value()) << loop.error().message;
    loop_ = std::move(*loop);
  }

  // `chat_template`, where given, stands in place of the model's own; it outlives the server.
  void Open(const ChatTemplate* chat_template = nullptr) {
    OpenModel open;
    open.model.name = "tiny";
    open.model.aliases = {"other"};
    open.loop = loop_.get();
    open.tier = engine_->tier();
    open.model.tokenizer = engine_->tokenizer();
    open.model.chat_template = chat_template != nullptr ? chat_template : engine_->chat_template();
    open.model.tool_format = ToolFormatOf(*open.model.chat_template);
    open.model.grammars = &engine_->grammars();
    open.model.defaults = engine_->defaults();
    open.model.vocab = engine_->spec().vocab;
    open.model.context = engine_->context();
    service_->Open(std::move(open));
  }

  // A request beside the others whose every token takes 20 ms, so that what runs with it lasts for seconds and a test
  // that interrupts it need not be quick.
  static void SlowEngine(EngineLoop& loop) {
    const auto slow = [](const ChoiceEvent&) { std::this_thread::sleep_for(std::chrono::milliseconds(20)); };
    Request request;
    request.prompt = {1};
    request.options.max_tokens = 500;
    request.options.ignore_eos = true;
    ASSERT_TRUE(loop.Submit({.request = request}, slow).has_value());
  }

  void TearDown() override {
    if (server_) server_->Stop();
    loop_.reset();
  }

  HttpResult Ask(const std::string& method, const std::string& path, const std::string& headers = {},
                 const std::string& body = {}) {
    RawClient client(server_->port());
    client.Send(Cat(method, " ", path, " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n", headers,
                    "Content-Length: ", body.size(), "\r\n\r\n", body));
    return Parse(client.ReadAll());
  }
  HttpResult Get(const std::string& path) { return Ask("GET", path); }
  HttpResult Post(const std::string& path, const Json& json, const std::string& headers = {}) {
    return Ask("POST", path, headers + "Content-Type: application/json\r\n", Dump(json));
  }

  static HttpResult Parse(const std::string& reply) {
    HttpResult result;
    const size_t end = reply.find("\r\n\r\n");
    if (end == std::string::npos || reply.size() < 12) return result;
    result.status = std::stoi(reply.substr(9, 3));
    result.head = reply.substr(0, end + 2);
    result.body = reply.substr(end + 4);
    if (result.Has("Transfer-Encoding: chunked")) result.body = WithoutChunks(result.body);
    result.json = Json::parse(result.body, nullptr, /*allow_exceptions=*/false);
    if (result.json.is_discarded()) result.json = nullptr;
    return result;
  }

  std::vector<Json> log() {
    const std::lock_guard lock(mutex_);
    return log_;
  }

  HttpOptions http_{.port = 0};  // for Listen
  std::unique_ptr<Engine> engine_;
  std::unique_ptr<Service> service_;
  std::unique_ptr<HttpServer> server_;
  std::unique_ptr<EngineLoop> loop_;

 private:
  static std::string WithoutChunks(const std::string& body) {
    std::string out;
    for (size_t at = 0; at < body.size();) {
      const size_t line = body.find("\r\n", at);
      if (line == std::string::npos) break;
      const size_t size = std::stoul(body.substr(at, line - at), nullptr, 16);
      out += body.substr(line + 2, size);
      at = line + 2 + size + 2;
    }
    return out;
  }

  std::mutex mutex_;
  std::vector<Json> log_;
};

}  // namespace octet::serve
