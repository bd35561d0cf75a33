// The page at /: whole, public, and under a policy that names its own script and style alone.
#include "serve/web/web_page.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/mapped_file.h"
#include "tests/serve/running_server.h"

namespace octet::serve {
namespace {

using testing::HasSubstr;
using testing::Not;

TEST(WebPage, TheProgramHasTheFileAsItStandsInTheSource) {
  const std::string path = std::string(OCTET_SOURCE_DIR) + "/src/serve/web/page.html";
  EXPECT_EQ(kPageText, *ReadTextFile(path, 1 << 20));
}

// Hashes of `printf 'let a = 1;\n' | openssl dgst -sha256 -binary | base64`, and of `p {}`.
TEST(WebPage, ThePolicyNamesScriptAndStyleByTheirHash) {
  EXPECT_EQ(ContentPolicyOf("<style>p {}</style><p><script>let a = 1;\n</script>"),
            "default-src 'none'; script-src 'sha256-3smTKsMnFX9i0OGCm4n/7GAEzudwCR3kiBveN8jVUAk='; style-src "
            "'sha256-SNJDlN1Iy2mnt7DOjQIyDb2LQE6O5PQiSZomcdzawQ4='; connect-src 'self'; img-src data:; base-uri "
            "'none'; form-action 'none'; frame-ancestors 'none'");
}

TEST(WebPage, NothingIsFetchedFromElsewhereAndNoTextBecomesHtml) {
  const std::string page(kPageText);
  for (const char* word : {"http://", "https://", "innerHTML", "outerHTML", "insertAdjacentHTML", "document.write",
                           "eval(", "<link rel=\"stylesheet\"", " style=\"", " onclick=", "javascript:"})
    EXPECT_THAT(page, Not(HasSubstr(word)));
}

class WebPageOnServer : public RunningServer {};

TEST_F(WebPageOnServer, ItNeedsNeitherKeyNorModelButTheApiDoes) {
  Start({.keys = *ApiKeys::Parse("0123456789abcdef0123", "test")});
  const HttpResult page = Get("/");
  EXPECT_EQ(page.status, 200);
  EXPECT_TRUE(page.Has("Content-Type: text/html; charset=utf-8")) << page.head;
  EXPECT_TRUE(page.Has("Content-Security-Policy: " + ContentPolicyOf(kPageText))) << page.head;
  EXPECT_TRUE(page.Has("X-Content-Type-Options: nosniff"));
  EXPECT_EQ(page.body, kPageText);
  Open();
  EXPECT_EQ(Get("/v1/models").status, 401);
  EXPECT_EQ(Ask("POST", "/").status, 401);
  EXPECT_EQ(Ask("POST", "/", "Authorization: Bearer 0123456789abcdef0123\r\n").status, 405);
  EXPECT_EQ(Get("/page.html").status, 401);
}

TEST_F(WebPageOnServer, ItCanBeTurnedOff) {
  Start({.web_page = false});
  Open();
  EXPECT_EQ(Get("/").status, 404);
  EXPECT_EQ(Get("/health").status, 200);
}

}  // namespace
}  // namespace octet::serve
