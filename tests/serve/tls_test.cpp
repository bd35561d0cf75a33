// A server that speaks HTTPS, asked by libssl.
#ifdef OCTET_TLS
#include <gmock/gmock.h>

#include <fstream>

#include "tests/serve/model_server.h"
#include "tests/serve/tls_client.h"

namespace octet::serve {
namespace {

using testing::HasSubstr;

constexpr const char* kGetHealth = "GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n";
constexpr const char* kLastHealth = "GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";

class TlsTest : public ModelServer {
 protected:
  void StartTls() {
    http_.tls_certificate = files_.certificate();
    http_.tls_key = files_.key();
    StartModels({Writer()});
  }
  std::string PostText(const std::string& path, const Json& json) const {
    const std::string body = Dump(json);
    return Cat("POST ", path,
               " HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: ", body.size(),
               "\r\n\r\n", body);
  }

  TlsFiles files_;
};

TEST_F(TlsTest, BothVersionsAnswerRequestAfterRequest) {
  StartTls();
  const std::pair<int, const char*> versions[] = {{TLS1_2_VERSION, "TLSv1.2"}, {TLS1_3_VERSION, "TLSv1.3"}};
  for (const auto& [version, name] : versions) {
    TlsClient client(server_->port(), files_, {.lowest = version, .highest = version});
    ASSERT_TRUE(client.connected()) << name;
    EXPECT_EQ(client.version(), name);
    EXPECT_EQ(client.protocol(), "http/1.1");
    client.Send(kGetHealth);
    EXPECT_EQ(Parse(client.ReadUntil("ok\"}\n")).status, 200);
    client.Send(PostText("/tokenize", {{"prompt", std::string(100000, 'a')}}));
    EXPECT_THAT(client.ReadUntil("max_model_len"), HasSubstr("HTTP/1.1 200 OK"));
    client.Send(kLastHealth);
    EXPECT_THAT(client.ReadAll(), HasSubstr("Connection: close"));
    EXPECT_TRUE(client.was_told()) << "a reply that ends so could have been cut off";
  }
}

TEST_F(TlsTest, RequestsThatCameTogetherAreAllAnswered) {
  StartTls();
  TlsClient client(server_->port(), files_, {.protocols = {}});
  client.Send(Cat(kGetHealth, kGetHealth, kGetHealth));
  client.ReadUntil("ok\"}\n", 3);
  client.Send(kLastHealth);
  EXPECT_THAT(client.ReadAll(), HasSubstr("200 OK"));
}

TEST_F(TlsTest, OlderVersionsAndOtherProtocolsAreRefused) {
  StartTls();
  EXPECT_FALSE(TlsClient(server_->port(), files_, {.lowest = TLS1_VERSION, .highest = TLS1_1_VERSION}).connected());
  EXPECT_FALSE(TlsClient(server_->port(), files_, {.protocols = "\x02h2"}).connected());
  EXPECT_TRUE(TlsClient(server_->port(), files_, {.protocols = "\x02h2\x08http/1.1"}).connected());
}

TEST_F(TlsTest, WhoSpeaksNoTlsGetsNothing) {
  http_.header_seconds = 1;
  StartTls();
  RawClient plain(server_->port());
  plain.Send(kGetHealth);
  EXPECT_THAT(plain.ReadAll(), testing::Not(HasSubstr("HTTP/1.1")));
  EXPECT_TRUE(plain.closed());
  RawClient silent(server_->port());
  EXPECT_EQ(silent.ReadAll(), "");
  EXPECT_TRUE(silent.closed()) << "a handshake that never comes holds a connection";
  TlsClient client(server_->port(), files_);
  client.Send(kLastHealth);
  EXPECT_THAT(client.ReadAll(), HasSubstr("200 OK"));
}

TEST_F(TlsTest, LimitsHoldUnderEncryption) {
  http_.header_seconds = 1;
  http_.body_bytes = 1000;
  StartTls();
  TlsClient slow(server_->port(), files_);
  slow.Send("GET /health HTTP/1.1\r\nHost");
  EXPECT_THAT(slow.ReadUntil("}\n"), HasSubstr("HTTP/1.1 408"));
  TlsClient large(server_->port(), files_);
  large.Send(PostText("/tokenize", {{"prompt", std::string(5000, 'a')}}));
  EXPECT_THAT(large.ReadUntil("}\n"), HasSubstr("HTTP/1.1 413"));
}

TEST_F(TlsTest, StreamsComeWholeAndEndWhereTheClientGoes) {
  StartTls();
  const Json body = {{"prompt", {1, 2, 3}}, {"max_tokens", 300}, {"ignore_eos", true}, {"stream", true}};
  TlsClient client(server_->port(), files_);
  client.Send(PostText("/v1/completions", body));
  const std::string stream = client.ReadUntil("data: [DONE]");
  EXPECT_THAT(stream, HasSubstr("\"finish_reason\":\"length\""));
  EXPECT_THAT(stream, HasSubstr("data: [DONE]"));
  while (log().empty()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  SlowEngine(*service_->models().Find("writer")->lease->loop);
  TlsClient leaving(server_->port(), files_);
  Json longer = body;
  longer["n"] = 8;
  longer["max_tokens"] = 500;
  leaving.Send(PostText("/v1/completions", longer));
  leaving.ReadUntil("data: ");
  leaving.Close();
  while (log().size() < 2) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  EXPECT_EQ(log()[1]["client_left"], true) << log()[1];
}

TEST_F(TlsTest, FilesThatCantServeAreToldByName) {
  const auto message = [&](const std::string& certificate, const std::string& key) {
    Service service({});
    const auto server = HttpServer::Listen({.port = 0, .tls_certificate = certificate, .tls_key = key}, service);
    return server ? std::string("accepted") : server.error().message;
  };
  const TlsFiles other, secret("passphrase");
  EXPECT_EQ(message(files_.certificate(), files_.key()), "accepted");
  EXPECT_THAT(message(files_.certificate(), ""), HasSubstr("the key is missing"));
  EXPECT_THAT(message("", files_.key()), HasSubstr("the certificate is missing"));
  EXPECT_THAT(message("/nowhere.pem", files_.key()), HasSubstr("/nowhere.pem"));
  EXPECT_THAT(message(files_.key(), files_.key()), HasSubstr("key.pem: holds no certificate"));
  EXPECT_THAT(message(files_.certificate(), files_.certificate()), HasSubstr("cert.pem: holds no private key"));
  EXPECT_THAT(message(files_.certificate(), other.key()), HasSubstr("key.pem: "));
  EXPECT_THAT(message(secret.certificate(), secret.key()), HasSubstr("without a passphrase"));
}

}  // namespace
}  // namespace octet::serve
#endif
