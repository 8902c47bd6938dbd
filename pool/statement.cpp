#include "pool/statement.hpp"

#include "base/crypto.hpp"

#include <algorithm>
#include <functional>

namespace weir::pool {

namespace {

constexpr std::size_t kNameHashBytes = 16;

std::string name_for(ByteView definition, const SettingsMap& settings, std::uint64_t epoch) {
    constexpr std::string_view kDigits = "0123456789abcdef";
    std::string text;
    for (const auto& [name, value] : settings) {
        text.append(name).append(1, '\0').append(value).append(1, '\0');
    }
    text.append(1, '\0').append(std::to_string(epoch)).append(1, '\0').append(as_text(definition));
    const crypto::Sha256 hash = crypto::sha256(as_bytes(text));
    std::string name{kStatementPrefix};
    for (std::size_t i = 0; i < kNameHashBytes; ++i) {
        const auto value = std::to_integer<unsigned>(hash[i]);
        name += kDigits[value >> 4U];
        name += kDigits[value & 15U];
    }
    return name;
}

}  // namespace

StatementPtr StatementTable::intern(ByteView definition,
                                    const SettingsPtr& settings,
                                    std::uint64_t epoch) {
    auto& places = by_hash_[std::hash<std::string_view>{}(as_text(definition))];
    for (const std::weak_ptr<const Statement>& place : places) {
        StatementPtr known = place.lock();
        if (known != nullptr && known->settings == settings && known->epoch == epoch &&
            as_text(known->definition) == as_text(definition)) {
            return known;
        }
    }
    auto statement = std::make_shared<Statement>();
    statement->name = name_for(definition, *settings, epoch);
    statement->settings = settings;
    statement->epoch = epoch;
    statement->definition.assign(definition.begin(), definition.end());
    places.push_back(statement);
    ++count_;
    if (count_ >= sweep_at_) {
        sweep();
    }
    return statement;
}

void StatementTable::sweep() {
    count_ = 0;
    for (auto entry = by_hash_.begin(); entry != by_hash_.end();) {
        std::erase_if(entry->second, [](const auto& place) { return place.expired(); });
        count_ += entry->second.size();
        entry = entry->second.empty() ? by_hash_.erase(entry) : std::next(entry);
    }
    constexpr std::size_t kSweepAtLeast = 256;
    sweep_at_ = std::max(kSweepAtLeast, count_ * 2);
}

}  // namespace weir::pool
