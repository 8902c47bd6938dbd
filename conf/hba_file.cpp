#include "conf/hba_file.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace weir::conf {

namespace {

constexpr std::array<std::pair<std::string_view, HbaConnection>, 6> kConnections{{
    {"local", HbaConnection::Local},
    {"host", HbaConnection::Host},
    {"hostssl", HbaConnection::HostSsl},
    {"hostnossl", HbaConnection::HostNoSsl},
    {"hostgssenc", HbaConnection::HostGssEnc},
    {"hostnogssenc", HbaConnection::Host},  // nobody comes in by GSSAPI
}};

constexpr std::array kMethods{HbaMethod::Trust,
                              HbaMethod::Reject,
                              HbaMethod::Password,
                              HbaMethod::Md5,
                              HbaMethod::ScramSha256,
                              HbaMethod::Cert,
                              HbaMethod::Peer};
constexpr std::string_view kMethodNames =
    "trust, reject, password, md5, scram-sha-256, cert and peer";

/// Reads one line of a file; what is wrong goes to `problems` with its column.
class RuleReader {
public:
    RuleReader(const AuthLine& line, HbaFile& into) : line_{line}, into_{into} {}

    void read() {
        const bool is_read = read_connection() && read_databases() && read_users() &&
                             read_address() && read_method() && read_options();
        if (is_read && fits_together()) {
            rule_.place = line_.place();
            into_.rules.push_back(std::move(rule_));
        }
    }

private:
    bool complain(unsigned column, std::string message) {
        into_.problems.push_back({line_.file, line_.number, column, {}, std::move(message)});
        return false;
    }

    /// @return the next column, or nullptr after complaining
    const WordList* next(std::string_view what) {
        if (at_ < line_.fields.size()) {
            return &line_.fields[at_++];
        }
        const Word& last = line_.fields.back().back();
        complain(last.column, "ends before the " + std::string{what});
        return nullptr;
    }

    /// @return the next column, which is one word
    const Word* next_word(std::string_view what) {
        const WordList* words = next(what);
        if (words != nullptr && words->size() != 1) {
            complain(line_.fields[at_ - 1].empty() ? 1 : words->front().column,
                     "the " + std::string{what} + " is a list; accepted: one word");
            return nullptr;
        }
        return words == nullptr ? nullptr : &words->front();
    }

    bool read_connection() {
        const Word* word = next_word("connection type");
        if (word == nullptr) {
            return false;
        }
        for (const auto& [name, connection] : kConnections) {
            if (word->text == name) {
                rule_.connection = connection;
                if (connection == HbaConnection::HostGssEnc) {
                    into_.notes.push_back(line_.place() +
                                          ": hostgssenc never matches: GSSAPI is not supported");
                }
                return true;
            }
        }
        return complain(word->column,
                        "\"" + word->text +
                            "\" is no connection type; accepted: local, host, hostssl, hostnossl, "
                            "hostgssenc, hostnogssenc");
    }

    bool read_databases() {
        const WordList* words = next("database");
        return words != nullptr && std::all_of(words->begin(), words->end(), [&](const Word& word) {
                   return read_database(word);
               });
    }

    bool read_database(const Word& word) {
        if (word.is("samerole") || word.is("samegroup") || word.begins_with('+')) {
            return complain(word.column,
                            word.text +
                                " is not supported: who is a member of which role is not "
                                "known here; accepted: names, all, sameuser, replication");
        }
        using Kind = HbaDatabase::Kind;
        if (word.is("all")) {
            rule_.databases.push_back({Kind::All});
        } else if (word.is("sameuser")) {
            rule_.databases.push_back({Kind::SameUser});
        } else if (word.is("replication")) {
            rule_.databases.push_back({Kind::Replication});
        } else if (auto pattern = pattern_of(word)) {
            rule_.databases.push_back({Kind::Name, *std::move(pattern)});
        } else {
            return false;
        }
        return true;
    }

    bool read_users() {
        const WordList* words = next("user");
        return words != nullptr && std::all_of(words->begin(), words->end(), [&](const Word& word) {
                   if (word.begins_with('+')) {
                       return complain(
                           word.column,
                           word.text +
                               " is not supported: who is a member of which role is not "
                               "known here; accepted: all, names, @file, /regex");
                   }
                   if (word.is("all")) {
                       rule_.is_for_all_users = true;
                       return true;
                   }
                   auto pattern = pattern_of(word);
                   if (!pattern) {
                       return false;
                   }
                   rule_.users.push_back(*std::move(pattern));
                   return true;
               });
    }

    std::optional<NamePattern> pattern_of(const Word& word) {
        if (!word.begins_with('/')) {
            return NamePattern::exactly(word.text);
        }
        std::string problem;
        auto pattern = NamePattern::regex(word.text.substr(1), problem);
        if (!pattern) {
            complain(word.column, word.text + " is no regular expression: " + problem);
        }
        return pattern;
    }

    bool read_address() {
        if (rule_.connection == HbaConnection::Local) {
            return true;
        }
        const Word* word = next_word("address");
        if (word == nullptr) {
            return false;
        }
        const bool may_have_mask =
            at_ < line_.fields.size() && word->text.find('/') == std::string::npos;
        const Word* mask = may_have_mask ? &line_.fields[at_].front() : nullptr;
        const auto address = parse_hba_address(*word, mask);
        if (!address.value) {
            return complain(word->column, "\"" + word->text + "\" " + address.problem);
        }
        rule_.address = *address.value;
        if (rule_.address.kind == HbaAddress::Kind::Network && may_have_mask) {
            ++at_;
        }
        return true;
    }

    bool read_method() {
        const Word* word = next_word("method");
        if (word == nullptr) {
            return false;
        }
        for (const HbaMethod method : kMethods) {
            if (word->text == name_of(method)) {
                rule_.method = method;
                return true;
            }
        }
        return complain(word->column,
                        "\"" + word->text + "\" is no method that is supported; accepted: " +
                            std::string{kMethodNames});
    }

    bool read_options() {
        for (; at_ < line_.fields.size(); ++at_) {
            for (const Word& word : line_.fields[at_]) {
                if (!read_option(word)) {
                    return false;
                }
            }
        }
        return true;
    }

    bool read_option(const Word& word) {
        const std::size_t equals = word.text.find('=');
        if (equals == std::string::npos) {
            return complain(word.column,
                            "\"" + word.text + "\" is no option; accepted: name=value");
        }
        const std::string name = word.text.substr(0, equals);
        const std::string value = word.text.substr(equals + 1);
        const bool has_map = rule_.method == HbaMethod::Cert || rule_.method == HbaMethod::Peer;
        if (name == "map") {
            rule_.map = value;
            return has_map && !value.empty()
                       ? true
                       : complain(word.column, "map takes a name, with the methods cert and peer");
        }
        if (name == "clientcert") {
            return read_client_cert(word, value);
        }
        if (name == "clientname") {
            return value == "CN" ? true
                                 : complain(word.column, "clientname accepts CN and nothing else");
        }
        return complain(word.column,
                        "\"" + name +
                            "\" is no option that is supported; accepted: map, clientcert, "
                            "clientname");
    }

    bool read_client_cert(const Word& word, const std::string& value) {
        if (rule_.connection != HbaConnection::HostSsl) {
            return complain(word.column, "clientcert is for hostssl lines");
        }
        if (value == "verify-ca") {
            rule_.client_cert = HbaClientCert::VerifyCa;
        } else if (value == "verify-full") {
            rule_.client_cert = HbaClientCert::VerifyFull;
        } else {
            return complain(word.column, "clientcert accepts verify-ca and verify-full");
        }
        return true;
    }

    bool fits_together() {
        if (rule_.method == HbaMethod::Peer && rule_.connection != HbaConnection::Local) {
            return complain(1, "the method peer is for local lines: only a unix socket knows it");
        }
        if (rule_.method == HbaMethod::Cert && rule_.connection != HbaConnection::HostSsl) {
            return complain(1, "the method cert is for hostssl lines: only TLS has certificates");
        }
        return true;
    }

    const AuthLine& line_;
    HbaFile& into_;
    HbaRule rule_;
    std::size_t at_ = 0;
};

}  // namespace

HbaFile parse_hba_file(std::string_view text, const std::string& path, FileAccess& access) {
    AuthLines lines = read_auth_lines(text, path, access);
    HbaFile file;
    file.problems = std::move(lines.problems);
    for (const AuthLine& line : lines.lines) {
        RuleReader{line, file}.read();
    }
    return file;
}

}  // namespace weir::conf
