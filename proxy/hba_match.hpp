#pragma once

#include "conf/hba.hpp"
#include "net/own_networks.hpp"
#include "proxy/client_facts.hpp"

#include <functional>
#include <string>
#include <vector>

namespace weir::proxy {

/// Where "samehost" and "samenet" look; asked only when a rule has one of them.
using OwnNetworks = std::function<std::vector<net::OwnNetwork>()>;

/// @return the first rule that fits the client, or nullptr
[[nodiscard]] const conf::HbaRule* find_rule(const std::vector<conf::HbaRule>& rules,
                                             const ClientFacts& facts,
                                             const OwnNetworks& own_networks);

/// @return PostgreSQL's words for a client that no rule fits, or that one rejects:
/// `no pg_hba.conf entry for host "192.0.2.7", user "app", database "shop", no encryption`
/// @param rule nullptr = none fits
[[nodiscard]] std::string rejection_text(const conf::HbaRule* rule, const ClientFacts& facts);

}  // namespace weir::proxy
