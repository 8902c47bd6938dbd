#include "conf/draft.hpp"
#include "conf/hba_file.hpp"

#include <algorithm>
#include <filesystem>
#include <system_error>
#include <utility>

namespace weir::conf {

namespace {

/// Of each file: far above any list of rules or names.
constexpr std::size_t kMaxAuthFileBytes = 16UL * 1024 * 1024;

/// The real files; notes which they are, so that they can be watched.
class RealFiles final : public FileAccess {
public:
    explicit RealFiles(std::vector<std::string>& files) : files_{files} {}

    Parsed<std::string> read(const std::string& path) override {
        files_.push_back(path);
        return read_text_file(path, kMaxAuthFileBytes);
    }

    bool exists(const std::string& path) override {
        files_.push_back(path);  // that it comes into being is a change too
        std::error_code error;
        return std::filesystem::exists(path, error);
    }

    Parsed<std::vector<std::string>> list(const std::string& folder) override {
        std::error_code error;
        std::vector<std::string> paths;
        for (std::filesystem::directory_iterator at{folder, error}, end; !error && at != end;
             at.increment(error)) {
            const std::string name = at->path().filename().string();
            if (name.front() != '.' && at->path().extension() == ".conf") {
                paths.push_back(at->path().string());
            }
        }
        if (error) {
            return Parsed<std::vector<std::string>>::bad("cannot be read: " + error.message());
        }
        std::sort(paths.begin(), paths.end());
        return Parsed<std::vector<std::string>>::good(std::move(paths));
    }

private:
    std::vector<std::string>& files_;
};

/// @return the text of the file that `key` names; nothing where there is none, or after complaining
std::optional<std::string> read_named(Draft& draft,
                                      const std::string& key,
                                      const std::string& path,
                                      FileAccess& access) {
    if (path.empty()) {
        return std::nullopt;
    }
    auto text = access.read(path);
    if (!text.value) {
        draft.complain(key,
                       "the file \"" + path + "\" " + text.problem +
                           "; accepted: the path of a readable file, or \"\"");
    }
    return std::move(text.value);
}

void add_problems(Draft& draft, const std::vector<Problem>& problems) {
    draft.problems.insert(draft.problems.end(), problems.begin(), problems.end());
}

}  // namespace

void read_auth_files(Draft& draft) {
    const AuthSettings& auth = draft.config.auth;
    RealFiles access{draft.files};
    const auto path_of = [&draft](const std::string& written) {
        return written.empty() ? std::string{} : draft.beside_file(written);
    };
    const std::string hba_path = path_of(auth.hba_file);
    if (const auto text = read_named(draft, "auth.hba_file", hba_path, access)) {
        HbaFile file = parse_hba_file(*text, hba_path, access);
        add_problems(draft, file.problems);
        draft.notes.insert(draft.notes.end(), file.notes.begin(), file.notes.end());
        draft.config.hba = std::move(file.rules);
    }
    const std::string ident_path = path_of(auth.ident_file);
    if (const auto text = read_named(draft, "auth.ident_file", ident_path, access)) {
        IdentFile file = parse_ident_file(*text, ident_path, access);
        add_problems(draft, file.problems);
        draft.config.ident = std::move(file.rules);
    }
}

}  // namespace weir::conf
