#pragma once

#include "admin/commands.hpp"

#include <span>
#include <string>
#include <string_view>
#include <utility>

/// The JSON that is answered below /api. Text that is not UTF-8 is shown with U+FFFD in place of
/// what is wrong. Thread: any (no shared state).
namespace weir::admin {

/// A parameter of a request's query, decoded.
using HttpParameter = std::pair<std::string, std::string>;

/// Exactly one of the two is set.
struct ApiAnswer {
    std::string json;
    std::string problem;  ///< what is wrong with the parameters, for a person
};

/// @return {"overall": …, "checks": […], "recommendations": […], "databases": […]}
[[nodiscard]] std::string health_json(const CommandInput& input);

/// @return the row of SHOW CACHE, with the columns' names as keys
[[nodiscard]] std::string cache_json(const CommandInput& input);

/// @return whether a page of that command's rows can be had: those whose first two columns are a
/// key
[[nodiscard]] bool is_listed(std::string_view command);

/// @param next "" = null
/// @return {"items": […], "next": …}, with the columns' names as keys
[[nodiscard]] std::string page_json(std::span<const Column> columns,
                                    std::span<const Row> rows,
                                    const std::string& next);

/// One page of what a SHOW command shows, sorted by the first two columns, with its columns' names
/// as keys: {"items": […], "next": "…" or null}. `next` is the `cursor` of the page after it; rows
/// that came or went in between neither repeat nor hide others.
///
/// @param command is_listed()
/// @param parameters limit=1…1000 (100) and cursor
[[nodiscard]] ApiAnswer list_json(std::string_view command,
                                  const CommandInput& input,
                                  std::span<const HttpParameter> parameters);

}  // namespace weir::admin
