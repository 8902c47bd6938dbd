#include "ledger/backup.hpp"

#include "ledger/connection.hpp"
#include "ledger/file_place.hpp"

#include <unistd.h>

#include <cerrno>
#include <string_view>
#include <system_error>

namespace weir::ledger {

std::string copy_file(const std::string& from, const std::string& to) {
    Connection connection;
    if (::access(from.c_str(), R_OK) != 0) {
        return "cannot read " + from + ": " +
               std::error_code{errno, std::generic_category()}.message();
    }
    if (auto problem = create_private(to)) {
        return *problem;
    }
    if (connection.open(from, Connection::Mode::Read)) {
        connection.execute("PRAGMA busy_timeout = 2000");
        connection.use("VACUUM INTO ?").with(std::string_view{to}).run();
    }
    if (connection.is_well()) {
        return "";
    }
    ::unlink(to.c_str());
    return connection.trouble() ? connection.trouble()->text : "cannot read " + from;
}

}  // namespace weir::ledger
