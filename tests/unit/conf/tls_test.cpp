#include "tests/unit/conf/loading.hpp"

#include <doctest/doctest.h>

using namespace weir::conf;
using namespace weir::conf::test;

TEST_SUITE_BEGIN("tls settings");

TEST_CASE("tls settings: nobody has to ask for what is there by default") {
    const LoadResult result = load_with_base("");
    REQUIRE(result.config != nullptr);
    CHECK(result.config->tls_client.mode == TlsMode::Disable);
    CHECK(result.config->tls_server.mode == TlsMode::Prefer);
    CHECK(result.config->tls_server.min_version == TlsVersion::V12);
}

TEST_CASE(
    "tls settings: a cluster overrides key by key, and files start beside the configuration") {
    const LoadResult result = load_text(R"(
[tls.server]
mode = "require"
ca_file = "ca.pem"
min_version = "1.3"
[cluster.main]
servers = ["h:1"]
[cluster.main.tls]
mode = "verify-full"
[cluster.other]
servers = ["i:1"]
[cluster.other.tls]
ca_file = "/other.pem"
[database.d]
cluster = "main"
[user.u]
password = "x"
)",
                                        "folder/weir.toml",
                                        Environment{});
    REQUIRE(result.config != nullptr);
    const Config& config = *result.config;
    const TlsSettings main = config.tls_for(config.clusters.at("main"));
    CHECK(main.mode == TlsMode::VerifyFull);
    CHECK(main.ca_file == "folder/ca.pem");
    CHECK(main.min_version == TlsVersion::V13);
    const TlsSettings other = config.tls_for(config.clusters.at("other"));
    CHECK(other.mode == TlsMode::Require);
    CHECK(other.ca_file == "/other.pem");
    CHECK(result.files == std::vector<std::string>{"folder/ca.pem", "/other.pem"});
}

TEST_CASE("tls settings: what keys mean together") {
    CHECK(only_text(load_with_base("[tls.client]\nmode = \"require\"\n")) ==
          "weir.toml:7:8: tls.client.mode: needs a certificate to show; accepted: cert_file and "
          "key_file beside it, or \"disable\"");
    CHECK(only_text(load_with_base("[tls.server]\ncert_file = \"a\"\n")) ==
          "weir.toml:7:13: tls.server.cert_file: only one of cert_file and key_file is given; "
          "accepted: both, or neither");
    CHECK(only_text(load_with_base("[tls.server]\nmode = \"verify-full\"\n")) ==
          "weir.toml:7:8: tls.server.mode: needs somebody to vouch for the other side; accepted: "
          "verify-ca and verify-full with a ca_file beside it");
    CHECK(load_with_base("[tls.server]\nmode = \"verify-full\"\nca_file = \"system\"\n")
              .problems.empty());
}

TEST_CASE("tls settings: mistakes in the sections") {
    CHECK(
        only_text(load_with_base("[tls.clients]\n")).find("accepted: [tls.client], [tls.server]") !=
        std::string::npos);
    CHECK(only_text(load_with_base("[tls]\nmode = \"require\"\n")).find("unknown section") !=
          std::string::npos);
    CHECK(only_text(load_with_base("[tls.client]\nmode = \"on\"\n")).find("verify-full") !=
          std::string::npos);
    CHECK(
        only_text(load_with_base("[tls.server]\necdh_curve = \"X25519\"\n")).find("unknown key") !=
        std::string::npos);
}

TEST_SUITE_END();
