export default defineNuxtConfig({
  modules: ['@nuxt/image'],
  image: {
    provider: 'ipx',
    ipx: { baseURL: 'http://127.0.0.1:8080/_ipx' },
  },
})
