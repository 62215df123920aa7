#pragma once
/* Names of the Redis keys that more than one module uses. Everything about alerts shares the hash
 * tag {t}, everything about the device index {d}, everything about block n {b<n>}. */
#define KEY_EPOCH        "{t}:epoch"
#define KEY_LOG          "{t}:log"
#define KEY_PLAN         "{t}:plan"
#define KEY_BELL         "{t}:bell"
#define KEY_ALERT        "{t}:alert:%s"          /* id */
#define KEY_STATS        "{t}:stats:%s:%" PRIu32 /* id, revision */
#define KEY_REACH        "{t}:reach:%s:%" PRIu32 /* id, revision: how far jobs were read */
#define KEY_LANE         "{t}:jobs:%s:%s"        /* platform, urgency */
#define KEY_PAUSED       "{t}:push_paused"       /* platform or "all" → why */
#define KEY_CONFIRM      "{t}:confirm_secret"    /* hex: behind confirm tokens */
#define KEY_READERS      "{t}:readers"
#define KEY_READER_TIMES "{t}:readers:until"
#define KEY_KEYS         "{t}:keys" /* all in one hash: they are dozens, and a list is one read */
#define KEY_SESSION      "{t}:session:%s" /* digest of its token */
#define KEY_AUDIT        "{t}:audit"
#define KEY_AUDIT_HEAD   "{t}:audit:head" /* the last entry */
#define KEY_AUDIT_BASE   "{t}:audit:base" /* the last one trimmed */
#define KEY_DRAFT        "{t}:draft:%s"   /* id */
#define KEY_DRAFTS_OPEN  "{t}:drafts"
#define KEY_DRAFTS_DUE   "{t}:due"
#define KEY_DRAFTS_ENDED "{t}:drafts:ended"
