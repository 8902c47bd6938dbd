#include "conf/draft.hpp"

#include <algorithm>

namespace weir::conf {

namespace {

/// As ca_file: not a path, but the machine's own list.
constexpr std::string_view kSystem = "system";

void place_file(Draft& draft, std::string& path) {
    if (path.empty() || path == kSystem) {
        return;
    }
    path = draft.beside_file(path);
    if (std::find(draft.files.begin(), draft.files.end(), path) == draft.files.end()) {
        draft.files.push_back(path);
    }
}

void place_files(Draft& draft, TlsSettings& tls) {
    place_file(draft, tls.ca_file);
    place_file(draft, tls.cert_file);
    place_file(draft, tls.key_file);
}

void place_files(Draft& draft, TlsOverrides& tls) {
    for (std::optional<std::string>* path : {&tls.ca_file, &tls.cert_file, &tls.key_file}) {
        if (*path) {
            place_file(draft, **path);
        }
    }
}

bool verifies(const TlsSettings& tls) {
    return tls.mode == TlsMode::VerifyCa || tls.mode == TlsMode::VerifyFull;
}

/// @param section "tls.server", "cluster.main.tls"
void check_side(Draft& draft, const std::string& section, const TlsSettings& tls) {
    if (tls.cert_file.empty() != tls.key_file.empty()) {
        draft.complain(join_key(section, tls.cert_file.empty() ? "key_file" : "cert_file"),
                       "only one of cert_file and key_file is given; accepted: both, or neither");
    }
    if (verifies(tls) && tls.ca_file.empty()) {
        draft.complain(join_key(section, "mode"),
                       "needs somebody to vouch for the other side; accepted: verify-ca and "
                       "verify-full with a ca_file beside it");
    }
}

}  // namespace

void settle_tls(Draft& draft) {
    TlsSettings& client = draft.config.tls_client;
    place_files(draft, client);
    place_files(draft, draft.config.tls_server);
    check_side(draft, "tls.client", client);
    if (client.mode != TlsMode::Disable && client.cert_file.empty() && client.key_file.empty()) {
        draft.complain("tls.client.mode",
                       "needs a certificate to show; accepted: cert_file and key_file beside it, "
                       "or \"disable\"");
    }
    check_side(draft, "tls.server", draft.config.tls_server);
    for (auto& [name, cluster] : draft.config.clusters) {
        place_files(draft, cluster.tls);
        if (cluster.tls != TlsOverrides{}) {
            check_side(
                draft, join_key(join_key("cluster", name), "tls"), draft.config.tls_for(cluster));
        }
    }
}

}  // namespace weir::conf
