import { Image } from '@unpic/react/base'
import pixedge from './pixedge.js'

const { unpicTransformer } = pixedge('http://127.0.0.1:8080')

export default function Photo({ src, alt }) {
  return <Image src={src} alt={alt} layout="constrained" width={640} height={480} transformer={unpicTransformer} />
}
