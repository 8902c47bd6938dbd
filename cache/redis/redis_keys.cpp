#include "cache/redis/redis_keys.hpp"

#include "base/random.hpp"

#define XXH_INLINE_ALL  // NOLINT(readability-identifier-naming): the library's
#include <xxhash.h>

#include <array>
#include <cstdint>

namespace weir::cache {

namespace {

void append_hex(std::string& out, std::uint64_t number) {
    constexpr std::string_view kDigits = "0123456789abcdef";
    for (int shift = 60; shift >= 0; shift -= 4) {
        out += kDigits[number >> static_cast<unsigned>(shift) & 0xfU];
    }
}

// Numbers in Lua are doubles: what is written as text goes through '%.0f'.
constexpr std::string_view kNow = R"(
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
)";

// Versions of another epoch are none: whatever they say may have been forgotten since.
constexpr std::string_view kOpen = R"(
local id = redis.call('HGET', KEYS[2], 'id')
if not id then
  id = ARGV[1]
  redis.call('HSET', KEYS[2], 'id', id)
end
if redis.call('HGET', KEYS[1], '@') ~= id then
  redis.call('DEL', KEYS[1])
  redis.call('HSET', KEYS[1], '!', ARGV[1], '@', id)
end
)";

constexpr std::string_view kWrite = R"(
local owner, generation = string.match(ARGV[2], '^(.*)%.(%d+)$')
local function is_older(who)
  local its, older = string.match(who, '^(.*)%.(%d+)$')
  return its == owner and tonumber(older) < tonumber(generation)
end
for i = 6, #ARGV, 2 do
  redis.call('HINCRBY', KEYS[1], ARGV[i], 1)
  if ARGV[i + 1] ~= '.' then
    local field = 'w' .. ARGV[i]
    local marks = ''
    for who, due in string.gmatch(redis.call('HGET', KEYS[1], field) or '', '([^=;]+)=(%d+);') do
      if who ~= ARGV[2] and tonumber(due) > now and not is_older(who) then
        marks = marks .. who .. '=' .. due .. ';'
      end
    end
    if ARGV[i + 1] == '+' then
      marks = marks .. ARGV[2] .. '=' .. string.format('%.0f', now + ARGV[3]) .. ';'
    end
    if marks == '' then
      redis.call('HDEL', KEYS[1], field)
    else
      redis.call('HSET', KEYS[1], field, marks)
    end
  end
end
local seq = redis.call('HINCRBY', KEYS[2], 'seq', 1)
redis.call('PUBLISH', ARGV[4], string.format('%.0f', seq) .. ' ' .. ARGV[5])
return seq
)";

constexpr std::string_view kStore = R"(
if redis.call('HGET', KEYS[1], '!') ~= ARGV[1] or
   redis.call('HGET', KEYS[1], '@') ~= redis.call('HGET', KEYS[2], 'id') then
  return 0
end
local is_quiet = true
for i = 6, #ARGV, 2 do
  if (redis.call('HGET', KEYS[1], ARGV[i]) or '0') ~= ARGV[i + 1] then
    is_quiet = false
  end
  local field = 'w' .. ARGV[i]
  local marks = redis.call('HGET', KEYS[1], field)
  if marks then
    is_quiet = false
    local kept = ''
    for who, due in string.gmatch(marks, '([^=;]+)=(%d+);') do
      if tonumber(due) > now then
        kept = kept .. who .. '=' .. due .. ';'
      end
    end
    if kept ~= marks then
      redis.call('HINCRBY', KEYS[1], ARGV[i], 1)
      if kept == '' then
        redis.call('HDEL', KEYS[1], field)
      else
        redis.call('HSET', KEYS[1], field, kept)
      end
      local seq = redis.call('HINCRBY', KEYS[2], 'seq', 1)
      redis.call('PUBLISH', ARGV[4],
                 string.format('%.0f', seq) .. ' e 0 ' .. ARGV[i] .. ' ' .. ARGV[5])
    end
  end
end
if not is_quiet then
  return 0
end
redis.call('SET', KEYS[3], ARGV[3], 'PX', ARGV[2])
return 1
)";

constexpr std::string_view kBeat = R"(
local run = string.match(redis.call('INFO', 'server'), 'run_id:(%x+)') or ''
local epoch = redis.call('HMGET', KEYS[1], 'id', 'seq', 'run')
if not epoch[1] or epoch[3] ~= run or ARGV[4] ~= '' then
  epoch[1] = ARGV[4] ~= '' and ARGV[4] or ARGV[1]
  redis.call('HSET', KEYS[1], 'id', epoch[1], 'run', run)
end
redis.call('PUBLISH', ARGV[2], ARGV[3] .. ' ' .. epoch[1] .. ' ' .. (epoch[2] or '0'))
return 1
)";

}  // namespace

std::string RedisKeys::result(std::string_view database, ByteView key) const {
    const XXH128_hash_t hash = XXH3_128bits(key.data(), key.size());
    std::string name = prefix_ + "r:";
    name += database;
    name += ':';
    append_hex(name, hash.high64);
    append_hex(name, hash.low64);
    return name;
}

std::string new_epoch() {
    const std::uint64_t high = random_u32();
    return std::to_string(high << 32U | random_u32());
}

const std::string& write_script() {
    static const std::string kScript = std::string{kNow} + std::string{kOpen} + std::string{kWrite};
    return kScript;
}

const std::string& store_script() {
    static const std::string kScript = std::string{kNow} + std::string{kStore};
    return kScript;
}

const std::string& open_script() {
    static const std::string kScript{kOpen};
    return kScript;
}

const std::string& beat_script() {
    static const std::string kScript{kBeat};
    return kScript;
}

}  // namespace weir::cache
