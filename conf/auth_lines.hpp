#pragma once

#include "conf/load.hpp"
#include "conf/units.hpp"

#include <string>
#include <string_view>
#include <vector>

/// The syntax that pg_hba.conf and pg_ident.conf share: fields of words, quotes, comments,
/// continued lines, and the inclusion of other files.
///
/// @source PostgreSQL 16, src/backend/libpq/hba.c, next_token() and tokenize_auth_file()
namespace weir::conf {

/// How the files around the one at hand are reached.
class FileAccess {
public:
    FileAccess() = default;
    FileAccess(const FileAccess&) = delete;
    FileAccess& operator=(const FileAccess&) = delete;
    FileAccess(FileAccess&&) = delete;
    FileAccess& operator=(FileAccess&&) = delete;
    virtual ~FileAccess() = default;

    /// @return the text, or a problem such as "cannot be read: No such file or directory"
    [[nodiscard]] virtual Parsed<std::string> read(const std::string& path) = 0;
    [[nodiscard]] virtual bool exists(const std::string& path) = 0;
    /// @return the paths of a folder's files whose names end in ".conf" and begin with no dot,
    /// sorted
    [[nodiscard]] virtual Parsed<std::vector<std::string>> list(const std::string& folder) = 0;
};

struct Word {
    std::string text;
    bool is_quoted = false;  ///< began with a quote: keywords and signs mean nothing in it
    unsigned column = 0;

    /// @return whether it is this keyword
    [[nodiscard]] bool is(std::string_view keyword) const { return !is_quoted && text == keyword; }

    [[nodiscard]] bool begins_with(char sign) const {
        return !is_quoted && text.size() > 1 && text.front() == sign;
    }
};

/// Words with commas between them.
using WordList = std::vector<Word>;

struct AuthLine {
    std::string file;
    unsigned number = 0;
    std::vector<WordList> fields;  ///< at least one, none of them empty

    /// @return "file:line"
    [[nodiscard]] std::string place() const { return file + ":" + std::to_string(number); }
};

struct AuthLines {
    std::vector<AuthLine> lines;  ///< of all files, in the order they are read
    std::vector<Problem> problems;
};

/// @param path as messages name it; names of further files are relative to its folder
[[nodiscard]] AuthLines read_auth_lines(std::string_view text,
                                        const std::string& path,
                                        FileAccess& access);

}  // namespace weir::conf
