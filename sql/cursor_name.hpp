#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace weir::sql {

/// What a request does to cursors, by its words.
struct CursorUse {
    enum class Kind : std::uint8_t {
        None,
        Declares,
        Fetches,
        Closes,
        Several,  ///< several statements, and one of them does one of these
    };

    Kind kind = Kind::None;
    std::string name;  ///< as PostgreSQL keeps it; "" where it is not known, or several are meant
    bool fetches = false;  ///< it, or one of several
    bool is_held = false;  ///< where it declares one: WITH HOLD
};

/// @param sql a request's text
[[nodiscard]] CursorUse cursor_use(std::string_view sql);

}  // namespace weir::sql
