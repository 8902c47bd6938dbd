#pragma once

#include "base/bytes.hpp"
#include "protocol/frontend_views.hpp"

#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace weir::proxy {

/// A request that one result answers: a simple Query, or messages that bind one statement and
/// execute it to its end, with their Sync. All of it is the caller's.
struct CachedRequest {
    /// The shape of a simple Query.
    static constexpr std::string_view kSimple = "Q";

    /// Its messages in order, which say what the reply is made of: "Q", "PBDES", "BdES"; a Describe
    /// of a statement is "d", of a portal "D".
    std::string shape;
    std::string_view text;
    ByteView types;  ///< of parameters, as in a Parse behind the text
    ByteView bind;   ///< a Bind's body behind its names: formats, values, formats of the result
    ByteView definition;  ///< of the unnamed statement that it prepares; empty: it prepares none
    std::size_t bytes = 0;
    std::optional<protocol::BindView> bound;  ///< the same as `bind`
};

/// @param name of a prepared statement, "" for the unnamed one
/// @return its text and types as in a Parse behind the name; nothing where it is not known
using DefinitionOf = std::function<std::optional<ByteView>(std::string_view name)>;

/// @param rest what has been read, from the request's first message on
/// @return nothing where it is something else, malformed, or not whole
[[nodiscard]] std::optional<CachedRequest> read_cached_request(ByteView rest,
                                                               const DefinitionOf& definition_of);

}  // namespace weir::proxy
