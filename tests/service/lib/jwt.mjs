// Tokens as a newsroom's own sign-in would make them, and ones it would not.
import { createHmac, createPrivateKey, sign } from 'node:crypto';

const part = (value) => Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');

// `key`: a private key in PEM or an HS256 secret.
export function jwt(key, claims, { alg = 'ES256', kid, header = {} } = {}) {
  const input = `${part({ alg, typ: 'JWT', ...(kid ? { kid } : {}), ...header })}.${part(claims)}`;
  if (alg === 'none') return `${input}.`;
  const signature = alg.startsWith('HS')
    ? createHmac('sha256', key).update(input).digest()
    : sign('sha256', Buffer.from(input), { key: createPrivateKey(key), dsaEncoding: 'ieee-p1363' });
  return `${input}.${signature.toString('base64url')}`;
}

// Claims that are good for `seconds`.
export const lasting = (seconds, extra = {}) => {
  const now = Math.floor(Date.now() / 1000);
  return { iss: 'https://id.example', aud: 'tocsin', iat: now, exp: now + seconds, ...extra };
};
