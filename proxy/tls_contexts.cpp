#include "proxy/tls_contexts.hpp"

#include "conf/schema.hpp"

#include <utility>

namespace weir::proxy {

namespace {

net::TlsOptions options_of(const conf::TlsSettings& settings) {
    net::TlsOptions options;
    options.cert_file = settings.cert_file;
    options.key_file = settings.key_file;
    options.ca_file = settings.ca_file;
    options.min_version =
        settings.min_version == conf::TlsVersion::V13 ? net::TlsVersion::V13 : net::TlsVersion::V12;
    options.ciphers = settings.ciphers;
    options.tls13_ciphers = settings.tls13_ciphers;
    options.ecdh_curve = settings.ecdh_curve;
    return options;
}

bool verifies(const conf::TlsSettings& settings) {
    return settings.mode == conf::TlsMode::VerifyCa || settings.mode == conf::TlsMode::VerifyFull;
}

net::TlsTrust trust_in_clients(const conf::TlsSettings& settings) {
    if (verifies(settings)) {
        return net::TlsTrust::Required;
    }
    return settings.ca_file.empty() ? net::TlsTrust::Ignored : net::TlsTrust::Noted;
}

/// With authorities at hand the server is checked in every mode, as by libpq.
net::TlsTrust trust_in_servers(const conf::TlsSettings& settings) {
    return settings.ca_file.empty() ? net::TlsTrust::Ignored : net::TlsTrust::Required;
}

/// @return what makes two ways to connect differ
std::string text_of(const conf::TlsSettings& settings) {
    return std::to_string(static_cast<int>(settings.mode)) + '|' + settings.ca_file + '|' +
           settings.cert_file + '|' + settings.key_file + '|' +
           std::to_string(static_cast<int>(settings.min_version)) + '|' + settings.ciphers + '|' +
           settings.tls13_ciphers;
}

/// Collects the problems, each once.
class Opener {
public:
    explicit Opener(const conf::LoadResult& where) : where_{where} {}

    void complain(const std::string& section, const net::TlsProblem& problem) {
        const conf::Problem found = conf::problem_at(
            where_.places, where_.file_name, conf::join_key(section, problem.option), problem.text);
        problems.push_back(found);
    }

    /// @return "cluster.main.tls" where that key was written there, else "tls.server"
    [[nodiscard]] std::string section_of(const conf::ClusterSettings& cluster,
                                         std::string_view key) const {
        const std::string own = conf::join_key(conf::join_key("cluster", cluster.name), "tls");
        const bool is_own = where_.places.count(conf::join_key(own, key)) != 0;
        return is_own ? own : "tls.server";
    }

    std::vector<conf::Problem> problems;

private:
    const conf::LoadResult& where_;
};

}  // namespace

TlsOpened open_tls(const conf::Config& config, const conf::LoadResult& where) {
    auto contexts = std::make_shared<TlsContexts>();
    Opener opener{where};
    net::TlsProblem problem;
    if (config.tls_client.mode != conf::TlsMode::Disable) {
        contexts->client = net::TlsContext::for_server(
            options_of(config.tls_client), trust_in_clients(config.tls_client), problem);
        if (contexts->client == nullptr) {
            opener.complain("tls.client", problem);
        }
    }
    for (const auto& [name, cluster] : config.clusters) {
        const conf::TlsSettings settings = config.tls_for(cluster);
        if (settings.mode == conf::TlsMode::Disable) {
            continue;
        }
        pool::ServerTls server;
        server.mode = settings.mode;
        server.text = text_of(settings);
        server.context =
            net::TlsContext::for_client(options_of(settings), trust_in_servers(settings), problem);
        if (server.context == nullptr) {
            opener.complain(opener.section_of(cluster, problem.option), problem);
        }
        contexts->servers.emplace(name, std::move(server));
    }
    TlsOpened opened;
    opened.problems = std::move(opener.problems);
    if (opened.problems.empty()) {
        opened.contexts = std::move(contexts);
    }
    return opened;
}

}  // namespace weir::proxy
