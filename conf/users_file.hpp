#pragma once

#include "conf/load.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace weir::conf {

struct UserLine {
    std::string name;
    std::string secret;  ///< may be empty: known, but cannot prove who they are
};

struct UsersFile {
    std::vector<UserLine> users;
    std::vector<Problem> problems;
};

/// Reads PgBouncer's userlist.txt: `"name" "secret"` a line, a quote inside written twice, `;`
/// starts a comment, what follows the secret is ignored as PgBouncer does. No message holds a
/// secret.
[[nodiscard]] UsersFile parse_users_file(std::string_view text, const std::string& file_name);

}  // namespace weir::conf
