#include "conf/load.hpp"

#include "conf/draft.hpp"
#include "conf/section_reader.hpp"
#include "conf/users_file.hpp"

#include <algorithm>
#include <tuple>

namespace weir::conf {

namespace {

/// Far above any list of settings or users; below what would hurt to hold.
constexpr std::size_t kMaxConfigBytes = 16UL * 1024 * 1024;
constexpr std::size_t kMaxUsersFileBytes = 64UL * 1024 * 1024;

void put_all_defaults(Draft& draft) {
    for (const SectionInfo& info : sections()) {
        if (info.form == Form::Single) {
            draft.put_defaults(info.section, section_object(draft.config, info.section));
        }
    }
}

void settle_pool(Draft& draft) {
    // Again, now that the profile is known.
    draft.put_defaults(Section::Pool, &draft.config.pool);
    draft.config.pool = merge(draft.config.pool, draft.pool);
    draft.config.policy = merge(draft.config.policy, draft.policy);
}

void read_users(Draft& draft) {
    const std::string& written = draft.config.auth.users_file;
    if (!written.empty()) {
        const std::string path = draft.beside_file(written);
        draft.files.push_back(path);
        const auto text = read_text_file(path, kMaxUsersFileBytes);
        if (!text.value) {
            draft.complain("auth.users_file",
                           "the file \"" + path + "\" " + text.problem +
                               "; accepted: the path of a readable file, or \"\"");
            return;
        }
        UsersFile file = parse_users_file(*text.value, path);
        draft.problems.insert(draft.problems.end(), file.problems.begin(), file.problems.end());
        for (UserLine& line : file.users) {
            auto [at, is_new] = draft.config.users.try_emplace(line.name);
            if (is_new) {
                at->second = draft.with_defaults<UserSettings>(Section::User, line.name);
                at->second.is_from_users_file = true;
            }
            if (at->second.secret.empty()) {
                at->second.secret = std::move(line.secret);
            }
        }
    }
    for (auto& [name, user] : draft.config.users) {
        user.has_secret = !user.secret.empty();
    }
}

LoadResult finish(Draft& draft) {
    // The file's mistakes from top to bottom, then those of other files and of the environment.
    std::stable_sort(
        draft.problems.begin(), draft.problems.end(), [&](const Problem& a, const Problem& b) {
            return std::tuple{
                       a.file != draft.file_name, std::string_view{a.file}, a.line, a.column} <
                   std::tuple{
                       b.file != draft.file_name, std::string_view{b.file}, b.line, b.column};
        });
    LoadResult result;
    result.problems = std::move(draft.problems);
    result.notes = std::move(draft.notes);
    result.files = std::move(draft.files);
    result.file_name = draft.file_name;
    result.places = std::move(draft.places);
    if (result.problems.empty()) {
        result.config = std::make_shared<const Config>(std::move(draft.config));
    }
    return result;
}

/// @param toml null = no file
LoadResult run(Draft& draft, const std::string_view* toml) {
    put_all_defaults(draft);
    if (toml != nullptr) {
        Tree tree = read_toml(*toml, draft.file_name, draft.environment);
        draft.variables = std::move(tree.variables);
        for (Problem& problem : tree.problems) {
            draft.broken.insert(problem.key);
            draft.problems.push_back(std::move(problem));
        }
        if (!tree.root) {
            return finish(draft);
        }
        SectionReader{draft}.read_root(*tree.root);
    }
    apply_environment(draft);
    apply_connection(draft);
    settle_pool(draft);
    settle_tls(draft);
    read_users(draft);
    read_auth_files(draft);
    check_meaning(draft);
    return finish(draft);
}

}  // namespace

std::string Problem::text() const {
    std::string text = file;
    if (line != 0) {
        text += ":" + std::to_string(line) + ":" + std::to_string(column);
    }
    if (!key.empty()) {
        text += text.empty() ? key : ": " + key;
    }
    return text.empty() ? message : text + ": " + message;
}

LoadResult load(const std::string& path, const Environment& environment) {
    Draft draft{path, environment};
    if (path.empty()) {
        return run(draft, /*toml=*/nullptr);
    }
    draft.files.push_back(path);
    const auto text = read_text_file(path, kMaxConfigBytes);
    if (!text.value) {
        draft.complain_at({}, {}, text.problem);
        return finish(draft);
    }
    const std::string_view toml = *text.value;
    return run(draft, &toml);
}

LoadResult load_text(std::string_view toml, std::string file_name, const Environment& environment) {
    Draft draft{std::move(file_name), environment};
    return run(draft, &toml);
}

}  // namespace weir::conf
