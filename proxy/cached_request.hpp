#pragma once

#include "base/bytes.hpp"
#include "protocol/frontend_views.hpp"

#include <array>
#include <cstddef>
#include <functional>
#include <optional>
#include <string_view>

namespace weir::proxy {

/// The messages of a request in order, which say what its reply is made of: "Q", "PBDES", "BdES"; a
/// Describe of a statement is "d", of a portal "D".
class RequestShape {
public:
    /// No driver sends more of them.
    static constexpr std::size_t kLettersMax = 8;

    /// @return false: there are too many
    [[nodiscard]] bool add(char letter) {
        if (size_ == kLettersMax) {
            return false;
        }
        letters_[size_++] = letter;
        return true;
    }

    [[nodiscard]] std::string_view text() const { return {letters_.data(), size_}; }

    [[nodiscard]] bool empty() const { return size_ == 0; }

private:
    std::array<char, kLettersMax> letters_{};
    std::size_t size_ = 0;
};

/// A request that one result answers: a simple Query, or messages that bind one statement and
/// execute it to its end, with their Sync. All of it is the caller's.
struct CachedRequest {
    RequestShape shape;
    std::string_view text;
    ByteView types;       ///< of parameters, as in a Parse behind the text
    ByteView bind;        ///< protocol::BindNames::values, unchecked; empty: nothing is bound
    ByteView definition;  ///< of the unnamed statement that it prepares; empty: it prepares none
    std::size_t bytes = 0;

    [[nodiscard]] bool is_query() const { return shape.text() == "Q"; }
};

/// @param name of a prepared statement, "" for the unnamed one
/// @return its text and types as in a Parse behind the name; nothing where it is not known
using DefinitionOf = std::function<std::optional<ByteView>(std::string_view name)>;

/// @param rest what has been read, from the request's first message on
/// @return nothing where it is something else, malformed (but for what it binds), or not whole
[[nodiscard]] std::optional<CachedRequest> read_cached_request(ByteView rest,
                                                               const DefinitionOf& definition_of);

}  // namespace weir::proxy
