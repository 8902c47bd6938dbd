#pragma once

#include "base/bytes.hpp"

#include <optional>
#include <string>
#include <string_view>

/// What both halves of the SCRAM exchange share: the grammar of its messages. Not for other
/// folders.
namespace weir::protocol::detail {

/// Takes a SCRAM message ("r=…,s=…,i=…") apart from the front. Everything returned points into the
/// message.
class ScramAttributes {
public:
    struct Attribute {
        char name = 0;
        std::string_view value;  ///< up to the next comma; may be empty, may contain '='
    };

    explicit ScramAttributes(std::string_view message) : rest_{message} {}

    /// @return the next attribute, or nothing when there is none or it is not "letter=value"; then
    /// nothing is consumed
    [[nodiscard]] std::optional<Attribute> take_any();
    /// @return the next attribute's value if it has this name; otherwise nothing is consumed
    [[nodiscard]] std::optional<std::string_view> take(char name);

    [[nodiscard]] bool next_is(char name) const { return rest_ && rest_->starts_with(name); }

    /// @return false also after a trailing comma: then an attribute is missing
    [[nodiscard]] bool at_end() const { return !rest_; }

private:
    std::optional<std::string_view> rest_;  ///< nothing once the last attribute was taken
};

/// @return whether `text` may be a nonce: one or more printable ASCII characters, none a comma
[[nodiscard]] bool is_scram_nonce(std::string_view text);

/// @return a number in 1..kMaxScramIterations, written in decimal without sign or leading zero
[[nodiscard]] std::optional<unsigned> parse_iterations(std::string_view text);

/// How a client's first message begins when it chose PLUS.
inline constexpr std::string_view kBoundGs2Header = "p=tls-server-end-point,,";

/// @param end_point empty without channel binding
/// @return the value of "c=": the header and the hash, in base64
[[nodiscard]] std::string channel_binding(std::string_view gs2_header, ByteView end_point);

/// @return a fresh nonce of PostgreSQL's strength: 18 random bytes as 24 characters of base64
[[nodiscard]] std::string make_scram_nonce();

}  // namespace weir::protocol::detail
