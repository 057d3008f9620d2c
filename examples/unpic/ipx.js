import { transform } from 'unpic/providers/ipx'

export const photo = (src, operations) =>
  transform(src, operations, { baseURL: 'http://127.0.0.1:8080/_ipx' })
