#pragma once

#include "conf/schema.hpp"

#include <string>
#include <vector>

namespace weir::conf {

/// One setting of one configuration, with everything the schema knows about it.
struct Leaf {
    std::string path;        ///< "listen", "database.shop.pool"; "" at the top
    const Setting* setting;  ///< not null
    Value value;

    [[nodiscard]] std::string key() const { return join_key(path, setting->key); }

    /// @return the value as people see it: a secret that is set shows as ********
    [[nodiscard]] std::string shown() const;
};

/// One section of one configuration.
struct Branch {
    Section section;
    std::string path;
    std::vector<Leaf> leaves;
    bool is_generated = false;  ///< a user that only a line of users_file made

    /// @return the lines that open it in TOML; "" at the top
    [[nodiscard]] std::string header() const;
};

inline constexpr std::string_view kMask = "********";

/// @return the configuration section by section in the order of the schema; of pool overrides only
/// what was written
[[nodiscard]] std::vector<Branch> branches(const Config& config);

}  // namespace weir::conf
