#pragma once

#include "admin/http_api.hpp"
#include "admin/ledger_visit.hpp"

#include <span>
#include <string_view>

/// The lists of /api that the ledger answers. Thread: any; blocks as long as LedgerVisit says.
namespace weir::admin {

/// @return whether "statements", "slow", "errors", "events": a list of the ledger's
[[nodiscard]] bool is_ledger_list(std::string_view name);

/// One page: {"items": […], "next": "…" or null}.
///
/// @param name is_ledger_list()
/// @param ledger its problem() says whether there was no answer; then the page is empty
/// @return the JSON, or what is wrong with the parameters
[[nodiscard]] ApiAnswer ledger_list_json(std::string_view name,
                                         LedgerVisit& ledger,
                                         std::span<const HttpParameter> parameters);

}  // namespace weir::admin
